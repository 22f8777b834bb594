/**
 * The pools that parsers draw from: slabs, request objects, large field tables.
 *
 * All parsers share one set unless they are given another, so that what one
 * connection returns the next one uses.
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

/** The counts of all pools of a set. */
export interface PoolsStats {
  /** Request objects. */
  requests: PoolStats;
  /** Field tables for messages of more than 32 field lines, and for trailers. */
  tables: PoolStats;
  /** Slabs, an entry for each size. */
  slabs: SlabStats[];
}

/** Opens a set: for the machine, and no part of the public surface. */
export let poolsOf: (pools: Pools) => OpenPools;

/**
 * A set of pools. Parsers use one common set by default; make another to warm it,
 * or to watch the counts of one part of a program apart.
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
   * Makes objects ahead of need, until each pool has as many idle ones as
   * `connections` connections take at first: a request and a 2 KiB slab each.
   */
  warm(connections: number): void {
    this.#slabs.warm(connections);
    this.#requests.warm(connections);
  }

  /** The counts of all pools, at this moment. */
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

/** What a parser can be given: limits, and the pools to draw from. */
export interface ParserOptions extends ParserLimits {
  /**
   * The pools to draw from.
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

/** The set that parsers share unless they are given another. */
export const sharedPools: Pools = new Pools();

/** A table of at least `rows` rows, from the pool where its tables are as large. */
export function acquireTable(pools: OpenPools, rows: number): FieldTable {
  return rows > LARGE_TABLE_ROWS
    ? new FieldTable(rows)
    : pools.tables.acquire();
}

export function releaseTable(pools: OpenPools, table: FieldTable): void {
  table.clear();
  if (table.capacity === LARGE_TABLE_ROWS) pools.tables.release(table);
}
