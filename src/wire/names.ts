/**
 * Numeric ids of well-known methods and field names.
 *
 * A field name is looked up by a hash of its length and its first and last four bytes,
 * then compared with the candidate, four bytes a step. Letters match in either case:
 * each word has a mask with 0x20 at its letters and 0 elsewhere, so no other byte can
 * fold into a match.
 *
 * @module
 */

/** Methods by id; id 0 is any other token. */
export const METHODS: readonly string[] = [
  "",
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
];
export const OTHER_METHOD = 0;
export const GET = 1;
export const HEAD = 2;
export const POST = 3;
export const CONNECT = 6;
export const OPTIONS = 7;

/** Field names by id, in lower case; id 0 is any other name. */
export const FIELD_NAMES: readonly string[] = [
  "",
  // Fields that frame or route a message come first: see LAST_FRAMING_FIELD.
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "upgrade",
  "expect",
  "te",
  "trailer",
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "access-control-request-headers",
  "access-control-request-method",
  "access-control-request-private-network",
  "alt-used",
  "authorization",
  "baggage",
  "cache-control",
  "client-ip",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "device-memory",
  "digest",
  "dnt",
  "downlink",
  "early-data",
  "ect",
  "forwarded",
  "from",
  "http2-settings",
  "idempotency-key",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "keep-alive",
  "last-event-id",
  "max-forwards",
  "mcp-session-id",
  "origin",
  "pragma",
  "prefer",
  "priority",
  "proxy-authorization",
  "proxy-connection",
  "purpose",
  "range",
  "referer",
  "rtt",
  "save-data",
  "sec-ch-prefers-color-scheme",
  "sec-ch-ua",
  "sec-ch-ua-arch",
  "sec-ch-ua-full-version-list",
  "sec-ch-ua-mobile",
  "sec-ch-ua-model",
  "sec-ch-ua-platform",
  "sec-ch-ua-platform-version",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-storage-access",
  "sec-fetch-user",
  "sec-gpc",
  "sec-purpose",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "service-worker",
  "service-worker-navigation-preload",
  "traceparent",
  "tracestate",
  "true-client-ip",
  "upgrade-insecure-requests",
  "user-agent",
  "via",
  "warning",
  "x-api-key",
  "x-amzn-trace-id",
  "x-b3-sampled",
  "x-b3-spanid",
  "x-b3-traceid",
  "x-client-ip",
  "x-correlation-id",
  "x-csrf-token",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-http-method-override",
  "x-real-ip",
  "x-request-id",
  "x-requested-with",
  "x-xsrf-token",
  // Fields of responses.
  "accept-ch",
  "accept-ranges",
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "access-control-expose-headers",
  "access-control-max-age",
  "age",
  "allow",
  "alt-svc",
  "cache-status",
  "cdn-cache-control",
  "cf-cache-status",
  "cf-ray",
  "clear-site-data",
  "content-security-policy",
  "content-security-policy-report-only",
  "critical-ch",
  "cross-origin-embedder-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "deprecation",
  "document-policy",
  "etag",
  "expect-ct",
  "expires",
  "last-modified",
  "link",
  "location",
  "nel",
  "origin-agent-cluster",
  "origin-trial",
  "p3p",
  "permissions-policy",
  "proxy-authenticate",
  "proxy-status",
  "ratelimit-limit",
  "ratelimit-remaining",
  "ratelimit-reset",
  "referrer-policy",
  "refresh",
  "report-to",
  "reporting-endpoints",
  "retry-after",
  "sec-websocket-accept",
  "server",
  "server-timing",
  "set-cookie",
  "sourcemap",
  "speculation-rules",
  "strict-transport-security",
  "timing-allow-origin",
  "vary",
  "www-authenticate",
  "x-amz-cf-id",
  "x-amz-cf-pop",
  "x-amz-id-2",
  "x-amz-request-id",
  "x-aspnet-version",
  "x-cache",
  "x-cache-hits",
  "x-content-type-options",
  "x-dns-prefetch-control",
  "x-download-options",
  "x-frame-options",
  "x-github-request-id",
  "x-goog-hash",
  "x-permitted-cross-domain-policies",
  "x-powered-by",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-robots-tag",
  "x-runtime",
  "x-served-by",
  "x-timer",
  "x-ua-compatible",
  "x-varnish",
  "x-xss-protection",
];
export const OTHER_FIELD = 0;
export const HOST = 1;
export const CONTENT_LENGTH = 2;
export const TRANSFER_ENCODING = 3;
export const CONNECTION = 4;
export const UPGRADE = 5;
export const EXPECT = 6;
export const TE = 7;
export const TRAILER = 8;
export const CONTENT_TYPE: number = FIELD_NAMES.indexOf("content-type");
export const DATE: number = FIELD_NAMES.indexOf("date");
/** The last id of the fields that frame or route, which are forbidden in trailers. */
export const LAST_FRAMING_FIELD = TRAILER;

// Holds each name in lower case and in its usual spelling. Other spellings that
// programs use are cached up to a bound, since `toLowerCase` allocates a string.
const MAX_CACHED_NAMES = 1024;
const ID_BY_NAME: Map<string, number> = new Map(
  FIELD_NAMES.flatMap((name, id) => [
    [name, id],
    [name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase()), id],
  ]),
);

/** The id of a field name in any case, or 0. */
export function fieldId(name: string): number {
  const known = ID_BY_NAME.get(name);
  if (known !== undefined) return known;
  const id = ID_BY_NAME.get(name.toLowerCase()) ?? OTHER_FIELD;
  if (ID_BY_NAME.size < MAX_CACHED_NAMES) ID_BY_NAME.set(name, id);
  return id;
}

// Name `id` occupies WORDS[FIRST_WORD[id] ..< FIRST_WORD[id + 1]], one word per four
// bytes, rounded up. In names of four bytes or more the last word holds the last four
// bytes, so it may overlap the word before it.
const LENGTHS = new Uint8Array(FIELD_NAMES.length);
const FIRST_WORD = new Uint16Array(FIELD_NAMES.length + 1);
const WORDS = new Int32Array(1024);
const CASE_MASKS = new Int32Array(1024);

const SLOTS = new Uint8Array(1024);
const SLOT_MASK = SLOTS.length - 1;
const LOWER = 0x20202020;

function slotOf(first: number, last: number, length: number): number {
  const mixed = Math.imul(first | LOWER, 0x2545f491) ^
    Math.imul((last | LOWER) + length, 0x9e3779b1 | 0);
  return (mixed ^ (mixed >>> 15)) & SLOT_MASK;
}

for (let id = 1, next = 0; id < FIELD_NAMES.length; id++) {
  const name = FIELD_NAMES[id]!;
  const bytes = new DataView(new ArrayBuffer(name.length + 4));
  const masks = new DataView(new ArrayBuffer(name.length + 4));
  for (let i = 0; i < name.length; i++) {
    bytes.setUint8(i, name.charCodeAt(i));
    masks.setUint8(i, /[a-z]/.test(name[i]!) ? 0x20 : 0);
  }
  LENGTHS[id] = name.length;
  FIRST_WORD[id] = next;
  for (let i = 0; i < name.length; i += 4) {
    const at = Math.max(0, Math.min(i, name.length - 4));
    WORDS[next] = bytes.getInt32(at, true);
    CASE_MASKS[next++] = masks.getInt32(at, true);
  }
  FIRST_WORD[id + 1] = next;
  const first = bytes.getInt32(0, true);
  const last = bytes.getInt32(Math.max(0, name.length - 4), true);
  let slot = slotOf(first, last, name.length);
  while (SLOTS[slot] !== 0) slot = (slot + 1) & SLOT_MASK;
  SLOTS[slot] = id;
}

/**
 * The id of the field name in `[start, end)`, or 0 if it is unknown. Reads up to three
 * bytes past `end`.
 */
export function matchFieldName(
  view: DataView,
  start: number,
  end: number,
): number {
  const length = end - start;
  let first = view.getInt32(start, true);
  let last: number;
  if (length < 4) last = first &= (1 << (length << 3)) - 1;
  else last = view.getInt32(end - 4, true);
  let slot = slotOf(first, last, length);
  for (;; slot = (slot + 1) & SLOT_MASK) {
    const id = SLOTS[slot]!;
    if (id === OTHER_FIELD) return OTHER_FIELD;
    if (LENGTHS[id] === length && isFieldName(view, start, id)) return id;
  }
}

/** The length of name `id`; 0 for id 0. */
export function knownNameLength(id: number): number {
  return LENGTHS[id]!;
}

/** Whether name `id` is at `start`. A match is also a token. Always false for id 0. */
export function isFieldName(
  view: DataView,
  start: number,
  id: number,
): boolean {
  const last = (FIRST_WORD[(id + 1) | 0]! - 1) | 0;
  let word = FIRST_WORD[id]!;
  let at = start | 0;
  while (word < last) {
    if ((view.getInt32(at, true) | CASE_MASKS[word]!) !== WORDS[word]) {
      return false;
    }
    word = (word + 1) | 0;
    at = (at + 4) | 0;
  }
  const length = LENGTHS[id]!;
  const four = length < 4
    ? view.getInt32(start, true) & ((1 << (length << 3)) - 1)
    : view.getInt32((start + length - 4) | 0, true);
  return id !== OTHER_FIELD &&
    (four | CASE_MASKS[last]!) === WORDS[last];
}
