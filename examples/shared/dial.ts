/**
 * Connections to a server by its name, within a time.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Refusal } from "./refusal.ts";

/** Milliseconds for AAAA once A is answered (RFC 8305 §3). */
const RESOLUTION_DELAY_MS = 50;

/** The addresses of a name, or none. */
export type LookUp = (name: string, signal: AbortSignal) => Promise<string[]>;

/** What bounds a connection. */
export interface DialOptions {
  /** Milliseconds until the server must have accepted. */
  milliseconds: number;
  /** Aborts the attempt. */
  signal?: AbortSignal | undefined;
  /** Finds the addresses of the host; the system does by default. */
  lookUp?: LookUp;
  /** Whether an address of the name may be used; all of them by default. */
  allows?: (address: string) => boolean;
}

/** Connects to a port of a host, by an address that is allowed. */
export async function dial(
  hostname: string,
  port: number,
  { milliseconds, signal, lookUp = lookUpInSystem, allows = () => true }:
    DialOptions,
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
    const found = await Promise.race([lookUp(name, cut.signal), aborted]);
    if (found.length === 0) throw new Error("no address");
    // The address that is checked is the one that is used: a second look-up of the name
    // could give another.
    const addresses = found.filter(allows);
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

/**
 * Looks a name up as the system does, in its hosts file as well. Each look-up holds one
 * of a few threads until the name server answers, so this is not for names of clients.
 */
export async function lookUpInSystem(name: string): Promise<string[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => address);
}

/**
 * Looks a name up in DNS alone. It holds no thread, and ends with the signal: a client
 * may name hosts whose name server never answers.
 */
export async function lookUpInDns(
  name: string,
  signal: AbortSignal,
  options: Pick<Deno.ResolveDnsOptions, "nameServer"> = {},
): Promise<string[]> {
  if (isIP(name) !== 0) return [name];
  const done = new AbortController();
  const both = AbortSignal.any([signal, done.signal]);
  const ask = (type: "A" | "AAAA"): Promise<string[]> =>
    Deno.resolveDns(name, type, { ...options, signal: both }).catch(() => []);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const ipv6 = ask("AAAA");
    const ipv4 = await ask("A");
    if (ipv4.length === 0) return await ipv6;
    const late = new Promise<string[]>((resolve) => {
      timer = setTimeout(() => resolve([]), RESOLUTION_DELAY_MS);
    });
    return [...ipv4, ...await Promise.race([ipv6, late])];
  } finally {
    clearTimeout(timer);
    done.abort();
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
