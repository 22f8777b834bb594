/**
 * Accepts connections from a source: a listener, a stream or any async iterable.
 *
 * A source may be slow to notice that it was closed. So `stop` ends the wait for the
 * next connection itself, and a connection that still arrives is closed.
 *
 * @module
 */

import { isErrorOf } from "../io/runtime.ts";
import {
  closeUnserved,
  type Conn,
  type Duplex,
  isConnection,
  quietly,
} from "../io/transport.ts";

/**
 * A source of connections for `serve`: a `Deno.Listener`, a `ReadableStream` of
 * connections, an async generator, or your own object.
 *
 * The server closes the source when it ends. It cancels a stream; give the stream a
 * `highWaterMark` of 0, because connections left in its queue are never closed. On any
 * other iterable it calls `close()` and the iterator's `return()`, and awaits neither.
 * An async generator handles `return()` only once its pending wait settles, so give it
 * a `close()` that ends the wait: `Object.assign(generator, { close })`.
 *
 * @example
 * ```ts
 * import { type AcceptSource, type Duplex, serve } from "@pooled/http1";
 *
 * const connections = new TransformStream<Duplex, Duplex>();
 * const source: AcceptSource = connections.readable;
 * await using server = serve(source, (req, res) => res.send(req.path));
 * ```
 */
export interface AcceptSource extends AsyncIterable<Conn | Duplex> {
  /**
   * Resolves to the next connection. A source with `accept` and
   * {@linkcode AcceptSource.close} is treated as a listener: it is not iterated, and the
   * server retries after a rejected `accept`, except that `Deno.errors.BadResource` and
   * `Interrupted` mark the end of the source.
   */
  accept?(): Promise<Conn | Duplex>;
  /** Ends the source, including a pending wait for the next connection. */
  close?(): void;
  /** The address it listens on; `onListen` and the server's `addr` report it. */
  readonly addr?: Deno.Addr;
  /** Makes a pending wait for the next connection keep the event loop alive. */
  ref?(): void;
  /** Lets the program exit despite a pending wait. */
  unref?(): void;
}

/** Callbacks for failed accepts. */
export interface AcceptEvents {
  /** A client reset its connection before it was accepted. */
  aborted(): void;
  /** The system or the source failed. */
  failed(error: unknown): void;
}

/** Milliseconds of back-off after a failed `accept`, for example without file handles. */
const SHORTEST_PAUSE = 5;
const LONGEST_PAUSE = 1000;

/** After this many aborted clients in a row, the loop yields to the event loop. */
const MANY_GONE = 16;

/** Milliseconds to wait for a closed listener to settle its pending `accept`. */
const RELEASE = 250;

type Next = Conn | Duplex | null;

/** Accepts connections from a source, one at a time, until stopped. */
export class Acceptor {
  readonly #source: AcceptSource;
  readonly #events: AcceptEvents;
  readonly #steps: Steps;
  #stopped = false;
  /** The latest step, perhaps still pending. */
  #step: Promise<unknown> = Promise.resolve();
  /** Ends the wait for that step. */
  #wake: (next: Next) => void = () => {};

  constructor(source: AcceptSource, events: AcceptEvents) {
    this.#source = source;
    this.#events = events;
    this.#steps = isListener(source)
      ? new ListenerSteps(source, events)
      : source instanceof ReadableStream
      ? new StreamSteps(source as ReadableStream<Conn | Duplex>)
      : new IteratorSteps(source);
  }

  /** The address the source listens on, if any. */
  get addr(): Deno.Addr | null {
    return this.#source.addr ?? null;
  }

  /** Whether the source is a listener, which ends only by being closed. */
  get listens(): boolean {
    return this.#steps instanceof ListenerSteps;
  }

  /** The next connection, or `null` when the source has ended or was stopped. */
  async next(): Promise<Next> {
    if (this.#stopped) return null;
    const coming = this.#steps.next();
    this.#step = coming.then((connection) => {
      if (this.#stopped && connection !== null) closeUnserved(connection);
    }, () => {});
    const next = await new Promise<Next>((resolve, reject) => {
      this.#wake = resolve;
      coming.then(resolve, reject);
    });
    // A stop in the same turn can come after `#step` has checked and before this.
    if (this.#stopped && next !== null) closeUnserved(next);
    if (this.#stopped || next === null) return null;
    if (!isConnection(next)) {
      throw new TypeError(
        "the source gave no connection: neither read and write, nor two streams",
      );
    }
    return next;
  }

  /** Ends the source and the pending `next`. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#steps.stop();
    this.#wake(null);
  }

  /** Resolves when a stopped listener has freed its port, which a pending `accept` holds. */
  async released(): Promise<void> {
    if (!this.listens) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RELEASE);
    });
    await Promise.race([this.#step, late]);
    clearTimeout(timer);
  }

  /** Sets whether a pending wait for the next connection keeps the event loop alive. */
  keepAlive(keeps: boolean): void {
    if (keeps) this.#source.ref?.();
    else this.#source.unref?.();
  }
}

/** Adapts one kind of source. */
interface Steps {
  next(): Promise<Next>;
  stop(): void;
}

type ListenerSource =
  & AcceptSource
  & Required<
    Pick<AcceptSource, "accept" | "close">
  >;

function isListener(source: AcceptSource): source is ListenerSource {
  return typeof source.accept === "function" &&
    typeof source.close === "function";
}

class ListenerSteps implements Steps {
  readonly #listener: ListenerSource;
  readonly #events: AcceptEvents;
  #stopped = false;
  #pause = SHORTEST_PAUSE;
  #gone = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resume: () => void = () => {};

  constructor(listener: ListenerSource, events: AcceptEvents) {
    this.#listener = listener;
    this.#events = events;
  }

  async next(): Promise<Next> {
    while (!this.#stopped) {
      try {
        const connection = await this.#listener.accept();
        this.#pause = SHORTEST_PAUSE;
        this.#gone = 0;
        return connection;
      } catch (error) {
        if (this.#stopped || isClosed(error)) return null;
        if (isClientGone(error)) {
          this.#events.aborted();
          if (++this.#gone % MANY_GONE === 0) await this.#sleep(0);
        } else {
          this.#events.failed(error);
          await this.#sleep(this.#pause);
          this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
        }
      }
    }
    return null;
  }

  stop(): void {
    this.#stopped = true;
    quietly(() => this.#listener.close());
    clearTimeout(this.#timer);
    this.#resume();
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#timer = setTimeout(resolve, milliseconds);
    });
  }
}

/** Whether `accept` failed because the server or the owner closed the listener. */
function isClosed(error: unknown): boolean {
  return isErrorOf(error, "BadResource", "Interrupted");
}

/** Whether `accept` failed because the client reset its connection first. */
function isClientGone(error: unknown): boolean {
  return isErrorOf(
    error,
    "ConnectionReset",
    "ConnectionAborted",
    "NotConnected",
  );
}

class StreamSteps implements Steps {
  readonly #reader: ReadableStreamDefaultReader<Conn | Duplex>;

  constructor(stream: ReadableStream<Conn | Duplex>) {
    this.#reader = stream.getReader();
  }

  async next(): Promise<Next> {
    const { done, value } = await this.#reader.read();
    return done ? null : value;
  }

  stop(): void {
    this.#reader.cancel().catch(() => {});
    this.#reader.releaseLock();
  }
}

class IteratorSteps implements Steps {
  readonly #source: AcceptSource;
  readonly #iterator: AsyncIterator<Conn | Duplex>;

  constructor(source: AcceptSource) {
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
  }

  async next(): Promise<Next> {
    const { done, value } = await this.#iterator.next();
    return done ? null : value;
  }

  stop(): void {
    quietly(() => this.#source.close?.());
    // Not awaited: a suspended generator settles `return` only after its pending wait.
    quietly(() => this.#iterator.return?.());
  }
}
