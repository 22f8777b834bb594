/**
 * Where the connections of a server come from: a listener, or anything that can be
 * iterated for them.
 *
 * @module
 */

import type { Conn, Duplex } from "./transport.ts";

/** What `serve` takes connections from. A `Deno.Listener` is one. */
export type AcceptSource = AsyncIterable<Conn | Duplex>;

/** The longest pause after an error of `accept`, such as too many open files. */
const LONGEST_PAUSE = 1000;

/** The part of a listener that is used. */
type Listener = Pick<Deno.Listener, "accept" | "close" | "addr">;

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
export function acceptFrom(
  source: AcceptSource,
  signal: AbortSignal,
  report: (error: unknown) => void,
): AsyncIterable<Conn | Duplex> {
  return isListener(source)
    ? acceptFromListener(source, signal, report)
    : acceptFromIterable(source, signal);
}

async function* acceptFromListener(
  listener: Listener,
  signal: AbortSignal,
  report: (error: unknown) => void,
): AsyncGenerator<Conn> {
  const close = () => {
    try {
      listener.close();
    } catch {
      // Its owner has closed it already.
    }
  };
  if (signal.aborted) return close();
  signal.addEventListener("abort", close, { once: true });
  let pause = 5;
  while (!signal.aborted) {
    try {
      const conn = await listener.accept();
      pause = 5;
      yield conn;
    } catch (error) {
      // Closed, by the server or by its owner.
      if (signal.aborted || error instanceof Deno.errors.BadResource) return;
      if (error instanceof Deno.errors.Interrupted) return;
      report(error);
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }
}

async function* acceptFromIterable(
  source: AcceptSource,
  signal: AbortSignal,
): AsyncGenerator<Conn | Duplex> {
  const iterator = source[Symbol.asyncIterator]();
  const stopped = new Promise<null>((resolve) => {
    signal.addEventListener("abort", () => resolve(null), { once: true });
  });
  while (!signal.aborted) {
    const next = await Promise.race([iterator.next(), stopped]);
    if (next === null) break;
    if (next.done) return;
    yield next.value;
  }
  // Not awaited: an iterator that waits for a connection answers when it has one.
  Promise.resolve(iterator.return?.()).catch(() => {});
}
