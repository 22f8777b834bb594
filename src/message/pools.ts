/**
 * The pools that parsers use: slabs, message objects, large field tables.
 *
 * Parsers share one set by default, so a new connection reuses what a closed one
 * returned.
 *
 * @module
 */

import type { ParserLimits } from "../limits.ts";
import { CheckedPool, CheckedSlabPool, type Guard } from "../memory/poison.ts";
import { Pool, type PoolStats } from "../memory/pool.ts";
import {
  IDLE_REQUESTS,
  IDLE_RESPONSES,
  IDLE_TABLES,
  LARGE_TABLE_ROWS,
} from "../memory/sizes.ts";
import { SlabPool, type SlabStats } from "../memory/slab.ts";
import type { PooledMessage } from "./pooled_message.ts";
import { PooledRequest } from "./request.ts";
import { PooledResponse } from "./response.ts";
import { FieldTable, NAME_ID, ROW } from "../wire/field_table.ts";
import { OTHER_FIELD } from "../wire/names.ts";

/** The counters of all pools of a set. */
export interface PoolsStats {
  /** Request objects. */
  requests: PoolStats;
  /** Response objects, which parsers of responses create. */
  responses: PoolStats;
  /** Field tables for messages of more than 32 field lines, and for trailers. */
  tables: PoolStats;
  /** Slabs, with one entry per size. */
  slabs: SlabStats[];
}

/** Internal access to the pools of a set; not part of the public API. */
export let poolsOf: (pools: Pools) => OpenPools;
/** Checks all sets from here on, the shared one too: for tests of this module. */
export let poisonByDefault: () => void;

/** How a set of pools works. */
export interface PoolsOptions {
  /**
   * Checks the pools: a debugging aid. Released memory is filled with a pattern that
   * the next use of it verifies; a write after the release throws there, with the
   * stack of the release as its cause. An object that is released twice throws at
   * once. Slow, for tests only.
   *
   * @default {false}
   */
  poison?: boolean;
}

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
  static #poison = false;
  #open: OpenPools;

  /** Makes a set whose pools are empty. */
  constructor({ poison = Pools.#poison }: PoolsOptions = {}) {
    this.#open = poison ? checkedPools() : plainPools();
  }

  /**
   * Creates objects until `connections` requests and 2 KiB slabs are idle: what that
   * many new connections need.
   */
  warm(connections: number): void {
    this.#open.slabs.warm(connections);
    this.#open.requests.warm(connections);
  }

  /** A snapshot of the counters of all pools. */
  stats(): PoolsStats {
    const { requests, responses, tables, slabs } = this.#open;
    return {
      requests: requests.stats(),
      responses: responses.stats(),
      tables: tables.stats(),
      slabs: slabs.stats(),
    };
  }

  static {
    poolsOf = (pools) => pools.#open;
    poisonByDefault = () => {
      Pools.#poison = true;
      sharedPools.#open = checkedPools();
    };
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
  readonly responses: Pool<PooledResponse>;
  readonly tables: Pool<FieldTable>;
}

function plainPools(): OpenPools {
  return {
    slabs: new SlabPool(),
    requests: new Pool(makeRequest, IDLE_REQUESTS),
    responses: new Pool(makeResponse, IDLE_RESPONSES),
    tables: new Pool(makeTable, IDLE_TABLES),
  };
}

function checkedPools(): OpenPools {
  return {
    slabs: new CheckedSlabPool(),
    requests: new CheckedPool(makeRequest, IDLE_REQUESTS, REQUEST_GUARD),
    responses: new CheckedPool(makeResponse, IDLE_RESPONSES, RESPONSE_GUARD),
    tables: new CheckedPool(makeTable, IDLE_TABLES, TABLE_GUARD),
  };
}

function makeRequest(): PooledRequest {
  return new PooledRequest();
}

function makeResponse(): PooledResponse {
  return new PooledResponse();
}

function makeTable(): FieldTable {
  return new FieldTable(LARGE_TABLE_ROWS);
}

/** A message keeps the head it knows, so nothing of it is filled. */
function guardOf<M extends PooledMessage>(name: string): Guard<M> {
  return {
    name: () => name,
    fill() {},
    fault: ({ released, fields }) =>
      released && fields.slab === null ? null : "was opened after its release",
  };
}

const REQUEST_GUARD = guardOf<PooledRequest>("a request object");
const RESPONSE_GUARD = guardOf<PooledResponse>("a response object");

const POISON_CELL = 0xdbdb;

const TABLE_GUARD: Guard<FieldTable> = {
  name: () => "a field table",
  fill({ cells }) {
    cells.fill(POISON_CELL);
    // The next head tries the name id of a stale row first; that is no fault.
    for (let at = NAME_ID; at < cells.length; at += ROW) {
      cells[at] = OTHER_FIELD;
    }
  },
  fault: ({ cells, count }) =>
    count === 0 &&
      cells.every((cell, at) =>
        cell === (at % ROW === NAME_ID ? OTHER_FIELD : POISON_CELL)
      )
      ? null
      : "was written to after its release",
};

/**
 * Verifies the idle memory of a checked set, and of no other.
 *
 * @throws {Error} Memory was written to after its release.
 */
export function verifyPools(pools: Pools): void {
  const { slabs, requests, responses, tables } = poolsOf(pools);
  for (const pool of [slabs, requests, responses, tables]) {
    if (pool instanceof CheckedPool || pool instanceof CheckedSlabPool) {
      pool.verify();
    }
  }
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
