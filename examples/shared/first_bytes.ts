/**
 * The first bytes of a connection, read with a bound on their number and on the time.
 *
 * @module
 */

/**
 * Closes a connection after some milliseconds, or once `closing` aborts, unless the
 * returned object is disposed before. A pending read or write then rejects.
 */
export function deadline(
  conn: Deno.Conn,
  milliseconds: number,
  closing?: AbortSignal,
): Disposable {
  // Safe to call twice, unlike `close`, which would throw.
  const cut = () => conn[Symbol.dispose]();
  const timer = setTimeout(cut, milliseconds);
  closing?.addEventListener("abort", cut);
  if (closing?.aborted) cut();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      closing?.removeEventListener("abort", cut);
    },
  };
}

/** What bounds the first bytes. */
export interface FirstBytesOptions {
  /** Bytes within which `parse` must find something. */
  most: number;
  /** Milliseconds for all of them, even if they come one at a time. */
  milliseconds: number;
  /** Closes the connection when aborted. */
  closing: AbortSignal;
}

/**
 * Reads until `parse` finds something in the bytes so far, and returns it with all the
 * bytes. `parse` gives `null` to wait for more, and throws to refuse the connection.
 */
export async function firstBytes<T>(
  conn: Deno.Conn,
  parse: (bytes: Uint8Array, ended: boolean) => T | null,
  { most, milliseconds, closing }: FirstBytesOptions,
): Promise<{ found: T; received: Uint8Array }> {
  using _ = deadline(conn, milliseconds, closing);
  const buffer = new Uint8Array(most);
  for (let end = 0; end < most;) {
    const count = await conn.read(buffer.subarray(end));
    end += count ?? 0;
    const received = buffer.subarray(0, end);
    const found = parse(received, count === null);
    if (found !== null) return { found, received };
    if (count === null) break;
  }
  throw new Error("the first bytes say nothing");
}

/** Writes all of the bytes. */
export async function writeAll(
  conn: Deno.Conn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}
