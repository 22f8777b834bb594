/**
 * The pools that parsers use: slabs, request objects, large field tables.
 *
 * Parsers share one set by default, so a new connection reuses what a closed one
 * returned.
 *
 * @module
 */

import type { ParserLimits } from "../limits.ts";
import { Pool, type PoolStats } from "../memory/pool.ts";
import {
  IDLE_REQUESTS,
  IDLE_TABLES,
  LARGE_TABLE_ROWS,
} from "../memory/sizes.ts";
import { SlabPool, type SlabStats } from "../memory/slab.ts";
import { PooledRequest } from "./request.ts";
import { FieldTable } from "../wire/field_lines.ts";

/** The counters of all pools of a set. */
export interface PoolsStats {
  /** Request objects. */
  requests: PoolStats;
  /** Field tables for messages of more than 32 field lines, and for trailers. */
  tables: PoolStats;
  /** Slabs, with one entry per size. */
  slabs: SlabStats[];
}

/** Internal access to the pools of a set; not part of the public API. */
export let poolsOf: (pools: Pools) => OpenPools;

/**
 * A set of pools. Parsers share one set by default. Create another one to fill it ahead
 * of time, or to count the objects of one part of a program separately.
 *
 * @example Counting what a parser holds
 * ```ts
 * import { Pools, RequestParser } from "@pooled/http1";
 *
 * const pools = new Pools();
 * pools.warm(16);
 * {
 *   using parser = new RequestParser({ pools });
 *   parser.push(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
 *   using request = parser.next();
 *   console.log(request?.method, pools.stats().requests.inUse); // GET 1
 * }
 * console.log(pools.stats().requests.inUse); // 0
 * ```
 */
export class Pools {
  readonly #slabs = new SlabPool();
  readonly #requests = new Pool(() => new PooledRequest(), IDLE_REQUESTS);
  readonly #tables = new Pool(
    () => new FieldTable(LARGE_TABLE_ROWS),
    IDLE_TABLES,
  );

  /**
   * Creates objects until `connections` requests and 2 KiB slabs are idle: what that
   * many new connections need.
   */
  warm(connections: number): void {
    this.#slabs.warm(connections);
    this.#requests.warm(connections);
  }

  /** A snapshot of the counters of all pools. */
  stats(): PoolsStats {
    return {
      requests: this.#requests.stats(),
      tables: this.#tables.stats(),
      slabs: this.#slabs.stats(),
    };
  }

  static {
    poolsOf = (pools) => ({
      slabs: pools.#slabs,
      requests: pools.#requests,
      tables: pools.#tables,
    });
  }
}

/** Options of a parser: its limits and its pools. */
export interface ParserOptions extends ParserLimits {
  /**
   * The pools to use.
   *
   * @default {one set that all parsers share}
   */
  pools?: Pools;
}

/** The pools of a set, as the machine uses them. */
export interface OpenPools {
  readonly slabs: SlabPool;
  readonly requests: Pool<PooledRequest>;
  readonly tables: Pool<FieldTable>;
}

/** The set that parsers share by default. */
export const sharedPools: Pools = new Pools();

/** Returns a table of at least `rows` rows, from the pool if its tables are large enough. */
export function acquireTable(pools: OpenPools, rows: number): FieldTable {
  return rows > LARGE_TABLE_ROWS
    ? new FieldTable(rows)
    : pools.tables.acquire();
}

export function releaseTable(pools: OpenPools, table: FieldTable): void {
  table.clear();
  if (table.capacity === LARGE_TABLE_ROWS) pools.tables.release(table);
}
