/**
 * What the processes of the soak tell: one line of JSON a message.
 *
 * @module
 */

import type { PoolsStats, ServerStats } from "../../mod.ts";

/** The state of a process, after a garbage collection. */
export interface Sample {
  kind: "sample";
  /** Whether the process has come to its end. */
  final: boolean;
  /** Seconds since the process began. */
  seconds: number;
  heapUsed: number;
  rss: number;
  external: number;
  /** File descriptors, or -1 where the system does not list them. */
  openFiles: number;
  /** Unhandled rejections and uncaught exceptions. */
  unhandled: string[];
}

/** The state of the server process. */
export interface ServerSample extends Sample {
  /** Response streams that have neither ended nor been cancelled. */
  openStreams: number;
  /** Upgraded connections whose handler is still at work. */
  openUpgrades: number;
  stats: ServerStats;
  /** Requests of which `onRequestEnd` was told. */
  ends: number;
  /** Reports to `onError` that a handler caused on purpose. */
  expectedErrors: number;
  /** The texts of all other reports. */
  unexpectedErrors: string[];
}

/** The state of the process that loads both servers with `connect`. */
export interface ClientSample extends Sample {
  /** Requests so far, on all connections. */
  asked: number;
  /** Requests that got a response. */
  answered: number;
  /** Requests that were rejected with an error that is documented. */
  failed: number;
  /** Responses of the good server that were compared whole. */
  checked: number;
  /** Connections that were opened and have not closed. */
  openConnections: number;
  /** Request bodies that were neither read to their end nor cancelled. */
  openBodies: number;
  pools: PoolsStats;
  /** What was lost, swapped, cut, or failed with another error. */
  violations: string[];
  /** Names of behaviours that no client has brought to their end. */
  neverShown: string[];
}

/** The state of the rude server. */
export interface RudeSample extends Sample {
  openConnections: number;
}

/** The first message of a process. */
export interface Started {
  kind: "started";
  /** Where it listens, or 0. */
  port: number;
  /** As in {@linkcode Sample}, before the first connection. */
  openFiles: number;
}

/** How often a process tells its state. */
export const SAMPLE_MS = 2000;
