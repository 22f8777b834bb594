/**
 * Connections to a server by its name, within a time.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { Refusal } from "./refusal.ts";

/** What bounds a connection. */
export interface DialOptions {
  /** Milliseconds until the server must have accepted. */
  milliseconds: number;
  /** Aborts the attempt. */
  signal?: AbortSignal | undefined;
  /** Whether an address of the name may be used; all of them by default. */
  allows?: (address: string) => boolean;
}

/** Connects to a port of a host, by an address that is allowed. */
export async function dial(
  hostname: string,
  port: number,
  { milliseconds, signal, allows = () => true }: DialOptions,
): Promise<Deno.TcpConn> {
  const cut = new AbortController();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  cut.signal.addEventListener("abort", () => reject(cut.signal.reason));
  const leave = () => cut.abort(signal!.reason);
  const timer = setTimeout(() => {
    cut.abort(new Refusal(504, "the server accepted no connection in time"));
  }, milliseconds);
  signal?.addEventListener("abort", leave);
  if (signal?.aborted) leave();
  try {
    const name = hostname.replace(/^\[|\]$/g, "");
    const found = await Promise.race([lookup(name, { all: true }), aborted]);
    // The address that is checked is the one that is used: a second look-up of the name
    // could give another.
    const addresses = found.map(({ address }) => address).filter(allows);
    if (addresses.length === 0) {
      throw new Refusal(403, "this proxy does not reach private addresses");
    }
    return await connectToAny(addresses, port, milliseconds, cut.signal);
  } catch (error) {
    if (cut.signal.aborted) throw cut.signal.reason;
    if (error instanceof Refusal) throw error;
    throw new Refusal(502, "the server cannot be reached");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", leave);
  }
}

/** Tries the addresses in turn; each but the last leaves time for those after it. */
export async function connectToAny(
  addresses: string[],
  port: number,
  milliseconds: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const share = milliseconds / addresses.length;
  for (const hostname of addresses.slice(0, -1)) {
    const late = AbortSignal.any([signal, AbortSignal.timeout(share)]);
    try {
      return await Deno.connect({ hostname, port, signal: late });
    } catch {
      signal.throwIfAborted();
    }
  }
  return await Deno.connect({ hostname: addresses.at(-1)!, port, signal });
}
