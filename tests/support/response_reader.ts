/**
 * A strict response parser. It fails the test on anything that RFC 9112 does not allow a
 * server to send.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";

/** A parsed response; bytes are Latin-1 strings. */
export interface Answer {
  status: number;
  line: string;
  fields: [string, string][];
  /** How the body was delimited. */
  framing: "none" | "length" | "chunked" | "close";
  body: string;
  chunks: string[];
  trailers: [string, string][];
  /** Whether the body is complete; false only with `mayBeCut`. */
  whole: boolean;
}

/** Options of the response parser. */
export interface ReadOptions {
  /** The request methods, in order. Missing entries count as GET. */
  methods?: string[];
  /** Whether a field may have several lines. */
  repeated?: boolean;
  /** Whether the body of the last response may be truncated. */
  mayBeCut?: boolean;
}

const DATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;

function assertNoControls(line: string): void {
  for (const char of line) {
    const code = char.charCodeAt(0);
    if (code === 127 || (code < 32 && code !== 9)) {
      throw new Error(`a control character in ${JSON.stringify(line)}`);
    }
  }
}

function fieldsOf(lines: string[]): [string, string][] {
  return lines.map((line) => {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)$/.exec(line);
    assert(match !== null, `${JSON.stringify(line)} is no field line`);
    assertNoControls(line);
    return [match[1]!.toLowerCase(), match[2]!];
  });
}

/** All values of a field, in wire order. `name` is in lower case. */
export function valuesOf(
  { fields }: Pick<Answer, "fields">,
  name: string,
): string[] {
  return fields.filter(([n]) => n === name).map(([, value]) => value);
}

/** The value of a field, or `null`. Asserts that it has at most one line. */
export function fieldOf(
  answer: Pick<Answer, "fields">,
  name: string,
): string | null {
  const values = valuesOf(answer, name);
  assert(values.length <= 1, `${values.length} lines of ${name}`);
  return values[0] ?? null;
}

/** Parses `wire` into responses. No bytes may remain. */
export function answersIn(
  wire: string,
  { methods = [], repeated = false, mayBeCut = false }: ReadOptions = {},
): Answer[] {
  const answers: Answer[] = [];
  let at = 0;
  let finals = 0;
  while (at < wire.length) {
    const end = wire.indexOf("\r\n\r\n", at);
    if (end < 0) {
      throw new Error(`no end of a head in ${JSON.stringify(wire.slice(at))}`);
    }
    const [line, ...lines] = wire.slice(at, end).split("\r\n");
    at = end + 4;
    assertNoControls(line!);
    const match = /^HTTP\/1\.1 ([1-5]\d\d) (.*)$/.exec(line!);
    assert(match !== null, `${JSON.stringify(line)} is no status line`);
    const answer: Answer = {
      status: Number(match[1]),
      line: line!,
      fields: fieldsOf(lines),
      framing: "none",
      body: "",
      chunks: [],
      trailers: [],
      whole: true,
    };
    answers.push(answer);
    if (!repeated) {
      const names = answer.fields.map(([name]) => name);
      assertEquals(names, [...new Set(names)], "a field has several lines");
    }
    const length = fieldOf(answer, "content-length");
    const coding = fieldOf(answer, "transfer-encoding");
    assert(length === null || coding === null, "framed in two ways");
    if (answer.status < 200) {
      assertEquals([length, coding], [null, null], "an interim response");
      continue;
    }
    const method = methods[finals++] ?? "GET";
    const date = fieldOf(answer, "date");
    assert(date !== null && DATE.test(date), `Date is ${date}`);
    const { status } = answer;
    if (status === 204) {
      // RFC 9110 §8.6 and RFC 9112 §6.1.
      assertEquals([length, coding], [null, null], "a 204");
    }
    if (method === "HEAD" || status === 204 || status === 304) continue;
    if (length !== null) {
      assertMatch(length, /^\d+$/, `Content-Length is ${length}`);
      answer.framing = "length";
      answer.body = wire.slice(at, at + Number(length));
      answer.whole = answer.body.length === Number(length);
      at += answer.body.length;
    } else if (coding !== null) {
      assertEquals(coding, "chunked");
      answer.framing = "chunked";
      at = readChunks(wire, at, answer);
    } else {
      assertEquals(fieldOf(answer, "connection")?.split(",")[0], "close");
      answer.framing = "close";
      answer.body = wire.slice(at);
      at = wire.length;
    }
    assert(answer.whole || mayBeCut, "the body is cut");
  }
  return answers;
}

/** Reads a chunked body and its trailers into `answer` and returns the end offset. */
function readChunks(wire: string, from: number, answer: Answer): number {
  let at = from;
  const line = (): string | null => {
    const end = wire.indexOf("\r\n", at);
    if (end < 0) return null;
    const text = wire.slice(at, end);
    at = end + 2;
    return text;
  };
  const cut = (): number => {
    answer.whole = false;
    answer.body = answer.chunks.join("");
    return wire.length;
  };
  for (;;) {
    const size = line();
    if (size === null) return cut();
    assertMatch(size, /^[0-9a-f]+$/, `${JSON.stringify(size)} is no size`);
    const count = parseInt(size, 16);
    if (count === 0) break;
    answer.chunks.push(wire.slice(at, at + count));
    at += count;
    if (at >= wire.length) return cut();
    assertEquals(wire.slice(at, at + 2), "\r\n", "the end of a chunk");
    at += 2;
  }
  answer.body = answer.chunks.join("");
  const trailers: string[] = [];
  for (;;) {
    const text = line();
    if (text === null) return cut();
    if (text === "") break;
    trailers.push(text);
  }
  answer.trailers = fieldsOf(trailers);
  return at;
}

/** The status of each response in `wire`. */
export function statusesOf(wire: string): number[] {
  return answersIn(wire).map(({ status }) => status);
}

/** The body of each response in `wire`. */
export function bodiesOf(wire: string): string[] {
  return answersIn(wire).map(({ body }) => body);
}
