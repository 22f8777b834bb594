/**
 * Where the connections of a server come from: a listener, or anything that can be
 * iterated for them.
 *
 * Whoever gives the connections may take its time, also to notice that it was closed:
 * so the wait for the next one ends when the server does, and one that comes after
 * that is closed.
 *
 * @module
 */

import { closeUnserved, type Conn, type Duplex } from "./transport.ts";

/** What `serve` takes connections from. A `Deno.Listener` is one. */
export type AcceptSource = AsyncIterable<Conn | Duplex>;

/** The longest pause after an error of `accept`, such as too many open files. */
const LONGEST_PAUSE = 1000;

/** The part of a listener that is used. */
type Listener = Pick<Deno.Listener, "accept" | "close" | "addr">;

type Next = IteratorResult<Conn | Duplex, unknown>;

const DONE: Next = { done: true, value: undefined };

function isListener(source: AcceptSource): source is AcceptSource & Listener {
  const { accept, close } = source as Partial<Listener>;
  return typeof accept === "function" && typeof close === "function";
}

/** Where a source listens, if it does. */
export function addressOf(source: AcceptSource): Deno.Addr | null {
  return isListener(source) ? source.addr ?? null : null;
}

/**
 * The connections of a source until `signal` aborts, which also closes a listener.
 * A listener whose `accept` fails is tried again, and the error told to `report`; an
 * iterable that fails has ended, and throws.
 */
export async function* acceptFrom(
  source: AcceptSource,
  signal: AbortSignal,
  report: (error: unknown) => void,
): AsyncGenerator<Conn | Duplex> {
  const { next, stop } = isListener(source)
    ? fromListener(source, signal, report)
    : fromIterable(source);
  let wake: (result: Next) => void = () => {};
  const abort = () => {
    stop();
    wake(DONE);
  };
  if (signal.aborted) return stop();
  signal.addEventListener("abort", abort, { once: true });
  while (!signal.aborted) {
    const coming = next();
    const result = await new Promise<Next>((resolve, reject) => {
      wake = resolve;
      coming.then(resolve, reject);
    });
    if (signal.aborted) {
      coming.then(({ done, value }) => {
        if (!done) closeUnserved(value);
      }).catch(() => {});
      return;
    }
    if (result.done) return;
    yield result.value;
  }
}

/** How to get the next connection, and how to end. */
interface Steps {
  next(): Promise<Next>;
  stop(): void;
}

function fromListener(
  listener: Listener,
  signal: AbortSignal,
  report: (error: unknown) => void,
): Steps {
  let pause = 5;
  return {
    async next() {
      for (;;) {
        try {
          const value = await listener.accept();
          pause = 5;
          return { done: false, value };
        } catch (error) {
          // Closed, by the server or by its owner.
          if (
            signal.aborted || error instanceof Deno.errors.BadResource ||
            error instanceof Deno.errors.Interrupted
          ) return DONE;
          report(error);
          await new Promise((resolve) => setTimeout(resolve, pause));
          pause = Math.min(2 * pause, LONGEST_PAUSE);
          if (signal.aborted) return DONE;
        }
      }
    },
    stop() {
      try {
        listener.close();
      } catch {
        // Its owner has closed it already.
      }
    },
  };
}

function fromIterable(source: AcceptSource): Steps {
  const iterator = source[Symbol.asyncIterator]();
  return {
    async next() {
      return await iterator.next();
    },
    stop() {
      // Not awaited: an iterator that waits for a connection answers when it has one.
      (async () => await iterator.return?.())().catch(() => {});
    },
  };
}
