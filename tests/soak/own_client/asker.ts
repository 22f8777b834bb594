/**
 * A client made with `connect`, whose requests are counted from their call to their end,
 * and whose errors have to be documented ones.
 *
 * @module
 */

import {
  connect,
  type ConnectOptions,
  type HttpClient,
  HttpError,
  type HttpRequestInit,
  Pools,
  type ReceivedResponse,
  RequestError,
  type UpgradeRequestInit,
  type UpgradeResult,
} from "../../../mod.ts";
import { within } from "../../support/waiting.ts";
import { type Expected, Violation } from "../peer.ts";
import type { Client } from "../orderly_clients.ts";
import type { Random } from "../random.ts";
import { streamsOf } from "./streams.ts";

/** How long anything may take. */
const PATIENCE = 30_000;

/** What all clients of the process have done. */
export const tally = {
  asked: 0,
  answered: 0,
  failed: 0,
  checked: 0,
  openConnections: 0,
  openBodies: 0,
};

/** The pools of all clients of the process. */
export const pools = new Pools();

/** Whether the documentation of the client names such an error. */
function isDocumented(error: unknown, own: unknown): boolean {
  return error instanceof RequestError || error instanceof HttpError ||
    (own !== undefined && error === own);
}

/**
 * The result of `work`, which has to settle.
 *
 * @param own The error of the program that `work` may reject with.
 * @throws {Violation} It does not settle, or rejects with an error that no page names.
 */
export async function settled<T>(
  what: string,
  work: Promise<T>,
  own?: unknown,
): Promise<T> {
  try {
    return await within(work, what, PATIENCE);
  } catch (error) {
    if (isDocumented(error, own)) throw error;
    throw new Violation(
      `${what}: ${error instanceof Error ? error.stack : error}`,
    );
  }
}

/** One connection of our client. */
export class Asker implements AsyncDisposable {
  readonly http: HttpClient;

  private constructor(http: HttpClient) {
    this.http = http;
    tally.openConnections++;
    http.closed.then(() => tally.openConnections--);
  }

  /** Connects to the port; a few clients get a pair of streams. */
  static async open(
    { port, random }: Client,
    options: ConnectOptions,
  ): Promise<Asker> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const given = random.chance(0.2) ? streamsOf(conn) : conn;
    return new Asker(connect(given, { pools, ...options }));
  }

  /** Waits for the end of the connection. */
  async closed(why: string): Promise<void> {
    await settled(`the close: ${why}`, this.http.closed);
  }

  async request(
    id: string,
    init: HttpRequestInit,
    own?: unknown,
  ): Promise<ReceivedResponse> {
    try {
      return await this.#counted(id, this.http.request(init), own);
    } catch (error) {
      // What was never sent is the program's to cancel.
      const { body } = init;
      if (body instanceof ReadableStream && !body.locked) await body.cancel();
      throw error;
    }
  }

  fetch(id: string, path: string, init: RequestInit): Promise<Response> {
    return this.#counted(id, this.http.fetch(path, init), undefined);
  }

  upgrade(id: string, init: UpgradeRequestInit): Promise<UpgradeResult> {
    return this.#counted(id, this.http.upgrade(init), undefined);
  }

  async #counted<T>(
    id: string,
    work: Promise<T>,
    own: unknown,
  ): Promise<T> {
    tally.asked++;
    try {
      const result = await settled(`request ${id}`, work, own);
      tally.answered++;
      return result;
    } catch (error) {
      if (!(error instanceof Violation)) tally.failed++;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await settled("the end of a client", this.http.close());
  }
}

/** The error that `work` rejects with, which is no violation. */
export async function errorOf(
  what: string,
  work: Promise<unknown>,
): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Violation) throw error;
    return error;
  }
  throw new Violation(`${what} did not fail`);
}

/** Compares the head of a response with what its request has to get. */
export function checkHead(
  response: ReceivedResponse | Response,
  { id, status }: Expected,
): void {
  if (response.status !== status || response.headers.get("x-id") !== id) {
    throw new Violation(
      `${id} got ${response.status} for ${response.headers.get("x-id")}`,
    );
  }
}

/** Compares a body with what its request has to get. */
export function checkBody(body: string, { id, body: expected }: Expected) {
  if (body !== expected) {
    let at = 0;
    while (at < body.length && body[at] === expected[at]) at++;
    throw new Violation(
      `${id} got ${body.length} bytes instead of ${expected.length}, which differ ` +
        `from byte ${at} on: ${JSON.stringify(body.slice(at, at + 60))}`,
    );
  }
  tally.checked++;
}

const decoder = new TextDecoder("latin1");

/** Reads a stream chunk by chunk; the text as it came up to its end. */
export async function textOfStream(
  stream: ReadableStream<Uint8Array> | null,
): Promise<string> {
  let text = "";
  if (stream === null) return text;
  for await (const chunk of stream) text += decoder.decode(chunk);
  return text;
}

const encoder = new TextEncoder();

/** Bytes that nobody looks at. One array: texts of this length would hide a leak. */
const LONG = new Uint8Array(16_000_000).fill(0x61);

/** A long body, whole or as a stream. */
export function longBody(
  random: Random,
  length: number,
): Uint8Array | ReadableStream<Uint8Array> {
  const bytes = LONG.subarray(0, length);
  if (random.chance(0.5)) return bytes;
  const step = random.integer(1, 200_000);
  return streamOf((function* () {
    for (let at = 0; at < length; at += step) {
      yield bytes.subarray(at, at + step);
    }
  })());
}

/** A stream of pieces; counted until it was read to its end or cancelled. */
export function streamOf(
  pieces: Iterable<string | Uint8Array>,
): ReadableStream<Uint8Array> {
  tally.openBodies++;
  let open = true;
  const end = () => {
    if (open) tally.openBodies--;
    open = false;
  };
  const iterator = pieces[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (!done) {
        return controller.enqueue(
          typeof value === "string" ? encoder.encode(value) : value,
        );
      }
      end();
      controller.close();
    },
    cancel: end,
  }, { highWaterMark: 0 });
}
