/**
 * Exports shared by the entry points: errors, limits, pools and the messages.
 *
 * @module
 */

export { HttpError, type HttpErrorCode } from "./errors.ts";
export type { HttpHeaders } from "./message/headers.ts";
export type { ParserLimits } from "./limits.ts";
export type { PoolStats } from "./memory/pool.ts";
export type { SlabStats } from "./memory/slab.ts";
export {
  type ParserOptions,
  Pools,
  type PoolsOptions,
  type PoolsStats,
} from "./message/pools.ts";
export type { HttpMessage } from "./message/pooled_message.ts";
export type { HttpRequest } from "./message/request.ts";
export type { ReceivedResponse } from "./message/response.ts";
