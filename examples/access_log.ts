/**
 * An access log in the Combined Log Format, written to stdout: one line for each request,
 * refused ones included.
 *
 * `deno run -N examples/access_log.ts 8000`, then `curl localhost:8000/`.
 *
 * Everything that a client controls is escaped, so no request can forge a line. Lines are
 * written in the background: a stdout that is slow or broken delays nobody, and beyond
 * `MOST_BUFFERED` bytes lines are dropped, counted and reported in the log. The size
 * is what was sent, head included (Apache's `%O`).
 *
 * @module
 */

import {
  type ConnectionInfo,
  type Handler,
  type HttpResponse,
  type RequestEnd,
  serve,
} from "@pooled/http1";

/** Bytes of lines that may wait for stdout; the same again may be on its way. */
const MOST_BUFFERED = 1_000_000;
/** Characters of a field that are logged. */
const LONGEST_FIELD = 1000;

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** What of the request's head the log shows beside method and target. */
interface Noted {
  referer: string | null;
  agent: string | null;
}

/** What was noted of each request, by its response object. */
const notes = new WeakMap<HttpResponse, Noted>();

/** Notes the fields for the log, since the request is released before its end. */
function noting(handler: Handler): Handler {
  return (req, res, info) => {
    notes.set(res, {
      referer: req.headers.get("referer"),
      agent: req.headers.get("user-agent"),
    });
    return handler(req, res, info);
  };
}

/** Text in quotes, with quotes, backslashes and all but visible ASCII escaped. */
function quoted(text: string | null): string {
  if (text === null || text === "") return '"-"';
  const escaped = text.slice(0, LONGEST_FIELD).replaceAll(
    /["\\]|[^ -~]/g,
    (char) =>
      char === '"' || char === "\\"
        ? `\\${char}`
        : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `"${escaped}"`;
}

/** A time as `10/Oct/2000:13:55:36 +0000`. */
function timestamp(time: Date): string {
  const iso = time.toISOString();
  const month = MONTHS[time.getUTCMonth()];
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:` +
    `${iso.slice(11, 19)} +0000`;
}

function lineOf(end: RequestEnd, { remoteAddr }: ConnectionInfo): string {
  const { method, target, httpVersion, status, bytesSent, duration } = end;
  const host = remoteAddr !== null && "hostname" in remoteAddr
    ? remoteAddr.hostname
    : "-";
  const began = timestamp(new Date(Date.now() - duration));
  const request = method === null
    ? null
    : `${method} ${target} HTTP/${httpVersion}`;
  const noted = end.response === null ? undefined : notes.get(end.response);
  return `${host} - - [${began}] ${quoted(request)} ${status ?? "-"} ` +
    `${bytesSent} ${quoted(noted?.referer ?? null)} ` +
    `${quoted(noted?.agent ?? null)}\n`;
}

/** Writes lines in the background, and drops those that would wait beyond a bound. */
class LineWriter {
  readonly #encoder = new TextEncoder();
  /** The lines that wait, and those being written. */
  #waiting = new Uint8Array(MOST_BUFFERED);
  #leaving = new Uint8Array(MOST_BUFFERED);
  #length = 0;
  #dropped = 0;
  #writing = false;

  /** Adds a line of ASCII. */
  add(line: string): void {
    if (this.#length + line.length > MOST_BUFFERED) {
      this.#dropped++;
      return;
    }
    const room = this.#waiting.subarray(this.#length);
    this.#length += this.#encoder.encodeInto(line, room).written;
    // If stdout breaks, this never ends, and all further lines are dropped.
    if (!this.#writing) this.#write().catch(() => {});
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#length > 0) {
      let rest = this.#waiting.subarray(0, this.#length);
      [this.#waiting, this.#leaving] = [this.#leaving, this.#waiting];
      this.#length = 0;
      const dropped = this.#dropped;
      this.#dropped = 0;
      // The first of the lines that now begin to gather: it has room for certain.
      if (dropped > 0) this.add(`# ${dropped} lines were dropped\n`);
      while (rest.length > 0) {
        rest = rest.subarray(await Deno.stdout.write(rest));
      }
    }
    this.#writing = false;
  }
}

const log = new LineWriter();

serve(
  {
    port: Number(Deno.args[0] ?? 8000),
    onRequestEnd: (end, info) => log.add(lineOf(end, info)),
  },
  noting(async (req, res) => {
    if (req.path === "/") return res.send("hello\n");
    if (req.path === "/echo") return res.send(await req.text());
    if (req.path === "/fails") throw new Error("as it was told to");
    res.send("nothing here\n", { status: 404 });
  }),
);
