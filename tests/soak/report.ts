/**
 * What the server process of the soak tells: one line of JSON a message.
 *
 * @module
 */

import type { ServerStats } from "../../mod.ts";

/** The state of the server process, after a garbage collection. */
export interface Sample {
  kind: "sample";
  /** Whether the server has no connection left, and closed its listener. */
  final: boolean;
  /** Seconds since the process began to serve. */
  seconds: number;
  heapUsed: number;
  rss: number;
  external: number;
  /** File descriptors, or -1 where the system does not list them. */
  openFiles: number;
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
  /** Unhandled rejections and uncaught exceptions. */
  unhandled: string[];
}

/** The first message of the server process. */
export interface Listening {
  kind: "listening";
  port: number;
  /** As in {@linkcode Sample}, before the first connection. */
  openFiles: number;
}

/** A message of the server process. */
export type Message = Listening | Sample;

/** How often the server process tells its state. */
export const SAMPLE_MS = 2000;
