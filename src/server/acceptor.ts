/**
 * Where the connections of a server come from: a listener, or anything that can be
 * iterated for them.
 *
 * A source may take its time, also to notice that it was closed: so the wait for the
 * next connection ends when the server does, and a connection that comes after that
 * is closed.
 *
 * @module
 */

import {
  closeUnserved,
  type Conn,
  type Duplex,
  isConnection,
  quietly,
} from "./transport.ts";

/**
 * What `serve` takes connections from: a `Deno.Listener`, a `ReadableStream` of
 * connections, an async generator, or an object of your own.
 *
 * The server ends a source when it ends itself. A stream is cancelled; give it a
 * `highWaterMark` of 0, since nobody closes what waits in its queue. Of any other
 * source `close()` is called, and `return()` of its iterator; neither is waited for.
 * An async generator that waits for a connection notices a `return()` only when it
 * has one, so give it a `close()` that ends its wait:
 * `Object.assign(generator, { close })`.
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
   * The next connection. A source that has this and {@linkcode AcceptSource.close} is
   * a listener: it is not iterated, and goes on after an `accept` that rejects. It has
   * ended when that is with `Deno.errors.BadResource` or `Interrupted`.
   */
  accept?(): Promise<Conn | Duplex>;
  /** Ends the source, and with it a wait for the next connection. */
  close?(): void;
  /** Where it listens: what `addr` of the server and `onListen` tell. */
  readonly addr?: Deno.Addr;
  /** Lets a wait for the next connection keep the program running. */
  ref?(): void;
  /** Lets the program end in spite of such a wait. */
  unref?(): void;
}

/** What a server does about what happens to its source. */
export interface AcceptEvents {
  /** A client was gone before it could be accepted. */
  aborted(): void;
  /** The system or the source failed. */
  failed(error: unknown): void;
}

/** Pauses after an `accept` that failed for want of something, such as file handles. */
const SHORTEST_PAUSE = 5;
const LONGEST_PAUSE = 1000;

/** After so many clients in a row that were gone, everybody else has a turn. */
const MANY_GONE = 16;

/** How long the end waits for a listener that does not notice its close. */
const RELEASE = 250;

type Next = Conn | Duplex | null;

/** Takes connections from a source, one at a time, until it is stopped. */
export class Acceptor {
  readonly #source: AcceptSource;
  readonly #events: AcceptEvents;
  readonly #steps: Steps;
  #stopped = false;
  /** The step that was asked of the source and has not settled. */
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

  /** Where the source listens, if it does. */
  get addr(): Deno.Addr | null {
    return this.#source.addr ?? null;
  }

  /** Whether the source lives until somebody closes it; else it may just be at its end. */
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
    // A stop in the same turn finds the connection between the two.
    if (this.#stopped && next !== null) closeUnserved(next);
    if (this.#stopped || next === null) return null;
    if (!isConnection(next)) {
      throw new TypeError(
        "the source gave no connection: neither read and write, nor two streams",
      );
    }
    return next;
  }

  /** Ends the source, and a wait for it. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#steps.stop();
    this.#wake(null);
  }

  /**
   * Resolves when a listener that was stopped has let go of its port: its pending
   * `accept` holds it.
   */
  async released(): Promise<void> {
    if (!this.listens) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RELEASE);
    });
    await Promise.race([this.#step, late]);
    clearTimeout(timer);
  }

  /** Whether a wait for the next connection keeps the program running. */
  keepAlive(keeps: boolean): void {
    if (keeps) this.#source.ref?.();
    else this.#source.unref?.();
  }
}

/** How to get the next connection of a source, and how to end it. */
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

/** Whether the listener is closed: by the server, or by its owner. */
function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}

/** Whether `accept` failed for a client that reset its connection before. */
function isClientGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.NotConnected;
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
    // Not awaited: a generator that waits for a connection answers when it has one.
    quietly(() => this.#iterator.return?.());
  }
}
