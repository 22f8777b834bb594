/**
 * Refusal numbers, one per cause. The table in `src/errors.ts` maps each to its code,
 * status and RFC section.
 *
 * @module
 */

export const INVALID_REQUEST_LINE = 1;
export const INVALID_METHOD = 2;
export const INVALID_TARGET = 3;
export const TARGET_FRAGMENT = 4;
export const TARGET_FORM = 5;
export const INVALID_AUTHORITY = 6;
export const INVALID_VERSION = 7;
export const UNSUPPORTED_VERSION = 8;
export const REQUEST_LINE_TOO_LONG = 9;
export const BARE_LF = 10;
export const BARE_CR = 11;
export const EMPTY_HEADER_NAME = 12;
export const INVALID_HEADER_NAME = 13;
export const SPACE_BEFORE_COLON = 14;
export const OBS_FOLD = 15;
export const INVALID_HEADER_VALUE = 16;
export const HEADERS_TOO_LARGE = 17;
export const TOO_MANY_HEADERS = 18;
export const MISSING_HOST = 19;
export const REPEATED_HOST = 20;
export const INVALID_HOST = 21;
export const INVALID_CONTENT_LENGTH = 22;
export const REPEATED_CONTENT_LENGTH = 23;
export const CONTENT_LENGTH_TOO_LARGE = 24;
export const LENGTH_AND_TRANSFER_ENCODING = 25;
export const TRANSFER_ENCODING_IN_HTTP10 = 26;
export const INVALID_TRANSFER_ENCODING = 27;
export const CHUNKED_NOT_LAST = 28;
export const CHUNKED_REPEATED = 29;
export const UNSUPPORTED_TRANSFER_CODING = 30;
export const CONNECT_WITH_BODY = 31;
export const INVALID_CHUNK_SIZE = 32;
export const CHUNK_SIZE_TOO_LARGE = 33;
export const INVALID_CHUNK_EXTENSION = 34;
export const CHUNK_LINE_TOO_LONG = 35;
export const CHUNK_DATA_END = 36;
export const TRAILERS_TOO_LARGE = 37;
export const FORBIDDEN_TRAILER = 38;
export const BODY_TOO_LARGE = 39;
export const UNEXPECTED_EOF = 40;
export const HEAD_TIMEOUT = 41;
export const BODY_TIMEOUT = 42;
export const BUFFERS_FULL = 43;
export const INVALID_STATUS_LINE = 44;
export const INVALID_STATUS = 45;
export const INVALID_REASON = 46;
export const STATUS_LINE_TOO_LONG = 47;
export const FORBIDDEN_BODY = 48;
export const MISSING_UPGRADE = 49;
export const TOO_MANY_INTERIM = 50;
export const UNASKED_UPGRADE = 51;
export const UNASKED_RESPONSE = 52;
