/**
 * The client as a target: a connection in memory that gives the bytes of a server to
 * `connect`, cut anywhere, and what became of each request.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import {
  type Conn,
  connect,
  type HttpClient,
  HttpError,
  Pools,
  type ReceivedResponse,
  RequestError,
  RequestParser,
} from "@pooled/http1";
import { textOf } from "../../support/bytes.ts";
import { inUse } from "../../support/in_use.ts";
import { withoutUnhandled } from "../../support/unhandled.ts";
import { within } from "../../support/waiting.ts";

/** How long one input may take to settle. */
const PATIENCE = 5000;
/** Turns of the event loop for which a server waits for a request that never comes. */
const MOST_TURNS = 8;

/** What a program does with a request, and with its response. */
export interface Ask {
  method: "GET" | "HEAD" | "PUT" | "POST" | "CONNECT" | "UPGRADE";
  /** The slow one is a stream whose end comes when the server has stopped to wait. */
  body: "none" | "bytes" | "stream" | "slow";
  way: "text" | "chunks" | "release" | "cancel" | "hold" | "fetch";
  /** A field that decides about the connection. */
  field: "" | "Expect: 100-continue" | "Connection: close";
  /** The piece of the server's bytes at which the request is aborted, or -1. */
  abortAt: number;
}

/** A run of the client. */
export interface Session {
  asks: readonly Ask[];
  pieces: readonly Uint8Array[];
  pipeline: number;
  /** The piece at which the program closes the client, or -1: when all has settled. */
  closeAt: number;
  /** Whether the server waits for all requests before it answers the first. */
  ahead: boolean;
  /** Whether the connection fails where it would end. */
  fails: boolean;
}

/** What became of a request. */
export interface Outcome {
  method: string;
  way: Ask["way"];
  /** The heads of the interim responses. */
  interims: string[];
  /** The head of the final response, or `null`. */
  head: string | null;
  /** The body, or what came behind an upgrade; `null` if it was not read to its end. */
  body: string | null;
  /** The code of an `HttpError`, or another name of what failed; `null` if nothing did. */
  failure: string | null;
}

/** What a response tells, as one text, with the fields as Fetch joins them. */
export function describe(response: ReceivedResponse | Response): string {
  const headers = response instanceof Response
    ? response.headers
    : new Headers([...response.headers]);
  return `${response.status} ${response.statusText}\n` +
    [...headers].map((field) => field.join(":")).join("\n");
}

const laterTurn = () =>
  new Promise<void>((resolve) => void setImmediate(() => resolve()));

/** A request that has come to the server. */
export interface Seen {
  /** Its place among the requests of the program. */
  number: number;
  /** The bytes that the server had given until then. */
  given: number;
}

/** The server's side: bytes that are known beforehand. */
class ScriptedConn implements Conn {
  /** The requests that were seen, in their order. */
  readonly seen: Seen[] = [];
  closed = false;
  /** Requests that came whole. */
  #whole = 0;
  #given = 0;
  #piecesGiven = 0;
  #writing = false;
  readonly #session: Session;
  readonly #onPiece: (index: number) => void;
  readonly #pieces: Uint8Array[];
  readonly #parser = new RequestParser({ pools: new Pools() });

  constructor(session: Session, onPiece: (index: number) => void) {
    this.#session = session;
    this.#onPiece = onPiece;
    this.#pieces = [...session.pieces];
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.closed) throw new Error("closed");
    this.#parser.push(bytes);
    this.#take();
    this.#writing = true;
    await laterTurn();
    this.#writing = false;
    return bytes.length;
  }

  /** Takes the requests that have come; one with a body holds those behind it. */
  #take(): void {
    const request = this.#parser.next();
    if (request === null) return;
    const number = Number(request.headers.get("x-number"));
    this.seen.push({ number, given: this.#given });
    request.bytes().then(() => {
      request.release();
      this.#whole++;
      this.#take();
    }, () => {});
  }

  /** Whether the next piece may come: no request is on its way, and enough have come. */
  get #ready(): boolean {
    const { asks, ahead } = this.#session;
    return !this.#writing && this.#whole >= (ahead ? asks.length : 1);
  }

  async read(into: Uint8Array): Promise<number | null> {
    await laterTurn();
    for (let turn = 0; turn < MOST_TURNS && !this.#ready; turn++) {
      await laterTurn();
    }
    const piece = this.#pieces[0];
    if (this.closed) throw new Error("closed");
    if (piece === undefined) {
      if (this.#session.fails) throw new Error("reset");
      return null;
    }
    const count = Math.min(piece.length, into.length);
    into.set(piece.subarray(0, count));
    this.#given += count;
    if (count < piece.length) this.#pieces[0] = piece.subarray(count);
    else {
      this.#pieces.shift();
      // Later, when the client has the bytes: what is sent now might get them.
      const index = this.#piecesGiven++;
      setImmediate(() => this.#onPiece(index));
    }
    return count;
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    if (this.closed) throw new Error("the connection was closed twice");
    this.closed = true;
    this.#parser[Symbol.dispose]();
  }
}

const CONTENT = "the body of a request";

function bodyOf(
  ask: Ask,
): string | ReadableStream<Uint8Array<ArrayBuffer>> | null {
  if (ask.body === "none" || !/^P/.test(ask.method)) return null;
  if (ask.body === "bytes") return CONTENT;
  const encoder = new TextEncoder();
  return ReadableStream.from((async function* () {
    yield encoder.encode(CONTENT.slice(0, 9));
    const turns = ask.body === "slow" ? 2 * MOST_TURNS : 0;
    for (let i = 0; i < turns; i++) await laterTurn();
    yield encoder.encode(CONTENT.slice(9));
  })());
}

/** The name of an error that a page of the client's documentation has. */
function nameOf(error: unknown, reason: unknown): string {
  if (error instanceof HttpError) return error.code;
  if (error instanceof RequestError) return "RequestError";
  if (error === reason) return "aborted";
  throw error;
}

/** A program that makes one request and notes what becomes of it. */
class Program {
  readonly outcome: Outcome;
  readonly #ask: Ask;
  readonly #number: number;
  readonly #reason = new Error("aborted");
  readonly #controller = new AbortController();
  #isOver = false;

  constructor(ask: Ask, number: number) {
    this.#ask = ask;
    this.#number = number;
    const { method, way } = ask;
    const failure = null;
    this.outcome = {
      method,
      way,
      interims: [],
      head: null,
      body: null,
      failure,
    };
  }

  /** Called when the server has given a piece of its bytes. */
  onPiece(index: number): void {
    if (index === this.#ask.abortAt) this.#controller.abort(this.#reason);
  }

  async run(client: HttpClient): Promise<void> {
    try {
      const { method, way } = this.#ask;
      if (method === "CONNECT" || method === "UPGRADE") {
        await this.#upgrade(client, method);
      } else if (way === "fetch") await this.#fetch(client, method);
      else await this.#request(client, method);
    } catch (error) {
      this.outcome.failure = nameOf(error, this.#reason);
    }
    this.#isOver = true;
  }

  get #basics() {
    const headers: [string, string][] = [["X-Number", `${this.#number}`]];
    return {
      ...{ target: "/", headers, signal: this.#controller.signal },
      onInterim: (response: ReceivedResponse) => {
        if (this.#isOver) throw new Error("an interim response after the end");
        this.outcome.interims.push(describe(response));
      },
    };
  }

  async #request(client: HttpClient, method: string): Promise<void> {
    const { headers, ...basics } = this.#basics;
    const body = bodyOf(this.#ask);
    const { field } = this.#ask;
    if (field !== "" && (body !== null || field === "Connection: close")) {
      headers.push(field.split(": ") as [string, string]);
    }
    const init = { ...basics, headers, method, body, idempotent: true };
    await this.#read(await client.request(init));
  }

  async #read(got: ReceivedResponse): Promise<void> {
    using response = got;
    const { outcome } = this;
    outcome.head = describe(response);
    const { way } = this.#ask;
    if (way === "release") return;
    if (way === "cancel") return await response.body?.cancel();
    // An unread body holds the connection, so nothing else would end this wait.
    for (let i = 0; way === "hold" && i < MOST_TURNS; i++) await laterTurn();
    if (way === "chunks" && response.body !== null) {
      let text = "";
      for await (const chunk of response.body) text += textOf(chunk);
      outcome.body = text;
    } else outcome.body = textOf(await response.bytes());
  }

  async #fetch(client: HttpClient, method: string): Promise<void> {
    const { headers, signal } = this.#basics;
    const body = bodyOf(this.#ask);
    const init = { method, headers, signal, ...body !== null && { body } };
    let response: Response;
    try {
      response = await client.fetch("/", init);
    } catch (error) {
      // Fetch has no such status.
      const status = `${error}`.match(/the status (\d+)$/)?.[1];
      if (status === undefined || Number(status) < 600) throw error;
      this.outcome.failure = "no Fetch";
      return;
    }
    this.outcome.head = describe(response);
    const bytes = textOf(new Uint8Array(await response.arrayBuffer()));
    this.outcome.body = bytes;
  }

  async #upgrade(client: HttpClient, asked: string): Promise<void> {
    const { headers, ...basics } = this.#basics;
    const isConnect = asked === "CONNECT";
    const { response, duplex } = await client.upgrade({
      ...basics,
      ...{ method: isConnect ? asked : "GET" },
      ...{ target: isConnect ? "a:80" : "/" },
      headers: isConnect ? headers : [...headers, ["Upgrade", "x, WebSocket"]],
    });
    if (duplex === null) return await this.#read(response);
    this.outcome.head = describe(response);
    response.release();
    const { readable, writable } = duplex;
    writable.close().catch(() => {});
    try {
      let text = "";
      for await (const chunk of readable) text += textOf(chunk);
      this.outcome.body = text;
    } catch (error) {
      // The streams of a connection that was handed over fail with its own error.
      if ((error as Error).message !== "reset") throw error;
      this.outcome.failure = "reset";
    }
  }
}

/**
 * Runs a session to its end. Gives the outcomes, and the requests that the server has
 * seen.
 *
 * @throws {Error} Something does not settle, fails with an error that is not documented,
 * or is not at rest in the end.
 */
export async function runClient(
  session: Session,
): Promise<{ outcomes: Outcome[]; seen: readonly Seen[] }> {
  const pools = new Pools();
  const { asks, pipeline } = session;
  const programs = asks.map((ask, number) => new Program(ask, number));
  let client: HttpClient;
  const conn = new ScriptedConn(session, (index) => {
    for (const program of programs) program.onPiece(index);
    if (index === session.closeAt) client.close();
  });
  await withoutUnhandled(async () => {
    client = connect(conn, {
      ...{ authority: "a", pools, pipeline },
      // Shorter than the server waits for the body.
      continueTimeout: 1,
    });
    const runs = programs.map((program) => program.run(client));
    await within(Promise.all(runs), "the requests", PATIENCE);
    await within(client.close(), "the end of the client", PATIENCE);
    await within(client.closed, "the end of the connection", PATIENCE);
    for (let i = 0; i < MOST_TURNS && !conn.closed; i++) await laterTurn();
  });
  if (!conn.closed) throw new Error("the connection was not closed");
  for (let i = 0; i < MOST_TURNS && inUse(pools.stats()).length > 0; i++) {
    await laterTurn();
  }
  const kept = inUse(pools.stats());
  if (kept.length > 0) throw new Error(`at the end: ${JSON.stringify(kept)}`);
  return { outcomes: programs.map(({ outcome }) => outcome), seen: conn.seen };
}
