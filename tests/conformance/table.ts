/**
 * Registers the conformance tests: one row for each rule of RFC 9112, and of RFC 9110
 * where it defines the syntax of requests.
 *
 * A row states the expected requests or the refusal code. The mark `‸` in the wire is the
 * expected offset of the refusal. Each row runs whole, byte by byte, split in two at
 * every position and through the streams, with the same outcome and offset each time. A
 * refused row also runs behind valid requests, which must not be lost. If the outcome
 * depended on the split, a request could be smuggled past a proxy.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { HttpErrorCode, ParserLimits } from "@pooled/http1";
import { bytesOf, cutAt, every, textOf } from "../support/bytes.ts";
import {
  type Outcome,
  parse,
  type Refused,
  type Seen,
  stream,
  STREAMS,
} from "../support/parser_runs.ts";

/** The expected properties of a request; `fields` are looked up by name. */
export type Expected =
  & Partial<Omit<Seen, "body" | "values" | "lines">>
  & {
    fields?: Record<string, string | null>;
    lines?: [string, string][];
    body?: string | HttpErrorCode;
  };

/** One row: its input and expected outcome. */
interface Row {
  wire: Uint8Array<ArrayBuffer>;
  /** The offset of the mark, or -1. */
  mark: number;
  requests: Expected[];
  code: HttpErrorCode | null;
  limits: ParserLimits;
}

/** Marks the offset of a refusal in the wire of a row. */
export const MARK = "‸";
const titles = new Set<string>();

/** Registers a row whose input is accepted to its end. */
export function accept(
  section: string,
  title: string,
  wire: string,
  expected: Expected | Expected[] = {},
  limits: ParserLimits = {},
): void {
  const requests = Array.isArray(expected) ? expected : [expected];
  row(section, title, wire, requests, null, limits);
}

/** Registers a row that is refused before its first request. */
export function refuse(
  section: string,
  title: string,
  wire: string,
  code: HttpErrorCode,
  limits: ParserLimits = {},
): void {
  row(section, title, wire, [], code, limits);
}

/** Registers a row with a valid head and a refused body. */
export function refuseBody(
  section: string,
  title: string,
  wire: string,
  code: HttpErrorCode,
  limits: ParserLimits = {},
): void {
  row(section, title, wire, [{ body: code }], code, limits);
}

// Common beginnings, so that a row shows only what it tests.
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
export const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
export const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
export const NEXT = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
export const hex = (byte: number) => `0x${byte.toString(16).padStart(2, "0")}`;
export const char = String.fromCharCode;

/** The status of each code that is not answered with 400. */
export const STATUS: Partial<Record<HttpErrorCode, number>> = {
  "unsupported-version": 505,
  "request-line-too-long": 414,
  "headers-too-large": 431,
  "too-many-headers": 431,
  "unsupported-transfer-coding": 501,
  "body-too-large": 413,
};

/** Split positions: all, or in a long input the ends, the mark and a sample. */
function positions(wire: Uint8Array, mark: number): number[] {
  const all = every(1, wire);
  if (wire.length <= 1200) return all;
  return all.filter((at) =>
    at < 64 || at > wire.length - 64 || Math.abs(at - mark) < 8 ||
    at % 509 === 0
  );
}

function check({ requests, code, mark }: Row, outcome: Outcome): void {
  const { error } = outcome;
  if (code === null) assertEquals(error, null);
  else {
    assertEquals(error?.code, code);
    assertEquals(error?.status, STATUS[code] ?? 400);
    if (mark >= 0) {
      assertEquals(error?.offset, mark, "the offset of the refusal");
    }
  }
  assertEquals(
    outcome.requests.length,
    requests.length,
    "the number of requests",
  );
  requests.forEach((expected, i) =>
    checkRequest(expected, outcome.requests[i]!, error)
  );
}

function checkRequest(
  expected: Expected,
  seen: Seen,
  error: Refused | null,
): void {
  for (const [key, value] of Object.entries(expected)) {
    if (key === "fields") {
      for (
        const [name, text] of Object.entries(value as Record<string, string>)
      ) {
        assertEquals(seen.values[name], text, `the field ${name}`);
      }
    } else if (key === "body" && typeof seen.body === "object") {
      assertEquals(seen.body.code, value);
      assertEquals(
        seen.body.status,
        STATUS[seen.body.code as HttpErrorCode] ?? 400,
      );
      if (seen.body.code === error?.code) assertEquals(seen.body, error);
    } else {
      assertEquals(seen[key as keyof Seen], value as Seen[keyof Seen], key);
    }
  }
}

/** The expected outcome of the input behind `requests`, which take `offset` bytes. */
function behind(requests: Seen[], offset: number, outcome: Outcome): Outcome {
  const shift = (refused: Refused) => ({
    ...refused,
    offset: refused.offset + offset,
  });
  return {
    requests: [
      ...requests,
      ...outcome.requests.map((seen) =>
        typeof seen.body === "string"
          ? seen
          : { ...seen, body: shift(seen.body) }
      ),
    ],
    error: outcome.error && shift(outcome.error),
  };
}

const GOOD = `${NEXT}${POST}Content-Length: 4\r\n\r\nbody`;

/** Registers a row with its expected requests and the refusal after them, if any. */
export function row(
  section: string,
  title: string,
  text: string,
  requests: Expected[],
  code: HttpErrorCode | null,
  limits: ParserLimits,
): void {
  const mark = text.indexOf(MARK);
  const wire = bytesOf(text.replace(MARK, ""));
  const row = { wire, mark, requests, code, limits };
  const name = `${section}: ${code === null ? "accepts" : "refuses"} ${title}`;
  assert(!titles.has(name), `two rows are called ${name}`);
  titles.add(name);
  Deno.test(name, () => run(row));
}

/** Runs a row through every API and with every split. */
async function run(row: Row): Promise<void> {
  const { wire, code, mark, limits } = row;
  const whole = await parse(cutAt(wire, []), { limits });
  check(row, whole);
  assertEquals(await parse(cutAt(wire, []), { limits, hold: true }), whole);
  const bytewise = every(1, wire);
  for (const hold of [false, true]) {
    assertEquals(
      await parse(cutAt(wire, bytewise), { limits, hold }),
      whole,
      "a byte at a time",
    );
  }
  for (const at of positions(wire, mark)) {
    assertEquals(
      await parse(cutAt(wire, [at]), { limits, hold: at % 2 === 1 }),
      whole,
      `cut at ${at}`,
    );
  }
  for (const kind of STREAMS) {
    assertEquals(
      await stream(kind, cutAt(wire, []), limits),
      whole,
      `${kind}, whole`,
    );
    for (const size of wire.length <= 1200 ? [1, 7] : [61]) {
      assertEquals(
        await stream(kind, cutAt(wire, every(size, wire)), limits),
        whole,
        `${kind}, ${size} at a time`,
      );
    }
  }
  // With custom limits, the valid requests themselves might be refused.
  if (code === null || Object.keys(limits).length > 0) return;
  const good = bytesOf(GOOD);
  const both = bytesOf(GOOD + textOf(wire));
  const before = await parse([good.slice()]);
  assertEquals(before.requests.length, 2);
  // Leading empty lines of the row are also allowed between requests.
  const expected = behind(before.requests, good.length, whole);
  for (const cuts of [[], [good.length], every(1, both)]) {
    assertEquals(
      await parse(cutAt(both, cuts)),
      expected,
      "behind good requests",
    );
  }
  for (const kind of STREAMS) {
    assertEquals(
      await stream(kind, cutAt(both, [])),
      expected,
      `${kind}, behind good requests`,
    );
  }
}
