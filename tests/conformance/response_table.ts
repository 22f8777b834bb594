/**
 * Registers the conformance tests of responses: one row for each rule of RFC 9112, and
 * of RFC 9110 where it defines the syntax of responses.
 *
 * A row states the methods of the requests, and the expected responses or the refusal
 * code. As in `table.ts`, the mark `‸` is the expected offset of the refusal, each row
 * runs with every split and through every API, and a refused row also runs behind valid
 * responses.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { HttpErrorCode, ParserLimits } from "@pooled/http1";
import { bytesOf, cutAt, every } from "../support/bytes.ts";
import { type Refused, STREAMS } from "../support/parser_runs.ts";
import {
  parseResponses,
  type ResponseOutcome,
  type SeenResponse,
  streamResponses,
} from "../support/response_runs.ts";
import { MARK } from "./table.ts";

/** The expected properties of a response. */
export type ExpectedResponse =
  & Partial<Omit<SeenResponse, "body">>
  & { body?: string | HttpErrorCode };

/** What a row may add to its input. */
export interface RowOptions {
  /** The methods of the requests, GET where there are no more. */
  methods?: string[];
  limits?: ParserLimits;
}

export const OK = "HTTP/1.1 200 OK\r\n";
export const NEXT_RESPONSE = "HTTP/1.1 404 Next\r\nContent-Length: 0\r\n\r\n";

const titles = new Set<string>();

/** Registers a row whose input is accepted to its end. */
export function acceptResponse(
  section: string,
  title: string,
  wire: string,
  expected: ExpectedResponse | ExpectedResponse[],
  options: RowOptions = {},
): void {
  const responses = Array.isArray(expected) ? expected : [expected];
  responseRow(section, title, wire, responses, null, options);
}

/** Registers a row that is refused before its first response. */
export function refuseResponse(
  section: string,
  title: string,
  wire: string,
  code: HttpErrorCode,
  options: RowOptions = {},
): void {
  responseRow(section, title, wire, [], code, options);
}

/** Registers a row with its expected responses and the refusal after them, if any. */
export function responseRow(
  section: string,
  title: string,
  text: string,
  expected: ExpectedResponse[],
  code: HttpErrorCode | null,
  options: RowOptions = {},
): void {
  const mark = text.indexOf(MARK);
  const wire = text.replace(MARK, "");
  const name = `${section}, responses: ${
    code === null ? "accepts" : "refuses"
  } ${title}`;
  assert(!titles.has(name), `two rows are called ${name}`);
  titles.add(name);
  Deno.test(name, () => run(wire, mark, expected, code, options));
}

function check(
  { responses, error }: ResponseOutcome,
  expected: ExpectedResponse[],
  code: HttpErrorCode | null,
  mark: number,
): void {
  assertEquals(error?.code ?? null, code);
  if (error !== null) assertEquals(error.status, 502);
  if (mark >= 0) {
    assertEquals(error?.offset, mark, "the offset of the refusal");
  }
  assertEquals(responses.length, expected.length, "the number of responses");
  for (const [i, one] of expected.entries()) {
    const seen = responses[i]!;
    for (const [key, value] of Object.entries(one)) {
      const found = seen[key as keyof SeenResponse];
      if (key === "body" && typeof found === "object" && found !== null) {
        assertEquals((found as Refused).code, value);
      } else {
        assertEquals(
          found,
          value as SeenResponse[keyof SeenResponse],
          `${key} of response ${i}`,
        );
      }
    }
  }
}

const GOOD =
  "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

/** Runs a row through every API and with every split. */
async function run(
  text: string,
  mark: number,
  expected: ExpectedResponse[],
  code: HttpErrorCode | null,
  options: RowOptions,
): Promise<void> {
  const wire = bytesOf(text);
  const whole = await parseResponses(cutAt(wire, []), options);
  check(whole, expected, code, mark);
  const bytewise = every(1, wire);
  for (const hold of [false, true]) {
    for (const cuts of [[], bytewise]) {
      assertEquals(
        await parseResponses(cutAt(wire, cuts), { ...options, hold }),
        whole,
        `hold ${hold}, ${cuts.length} cuts`,
      );
    }
  }
  const positions = wire.length <= 1200
    ? bytewise
    : bytewise.filter((at) =>
      at < 64 || at > wire.length - 64 || Math.abs(at - mark) < 8 ||
      at % 509 === 0
    );
  for (const at of positions) {
    assertEquals(
      await parseResponses(cutAt(wire, [at]), {
        ...options,
        hold: at % 2 === 1,
      }),
      whole,
      `cut at ${at}`,
    );
  }
  for (const kind of STREAMS) {
    for (const size of [wire.length, ...wire.length <= 1200 ? [1, 7] : [61]]) {
      assertEquals(
        await streamResponses(kind, cutAt(wire, every(size, wire)), options),
        whole,
        `${kind}, ${size} at a time`,
      );
    }
  }
  if (code === null || options.limits !== undefined) return;
  const both = bytesOf(GOOD + text);
  const methods = ["GET", "GET", ...options.methods ?? []];
  const before = await parseResponses([bytesOf(GOOD)]);
  const shift = (refused: Refused) => ({
    ...refused,
    offset: refused.offset + GOOD.length,
  });
  const behind: ResponseOutcome = {
    responses: [
      ...before.responses,
      ...whole.responses.map((seen) =>
        typeof seen.body === "string"
          ? seen
          : { ...seen, body: shift(seen.body) }
      ),
    ],
    error: whole.error && shift(whole.error),
  };
  for (const cuts of [[], [GOOD.length], every(1, both)]) {
    assertEquals(
      await parseResponses(cutAt(both, cuts), { methods }),
      behind,
      "behind good responses",
    );
  }
  for (const kind of STREAMS) {
    assertEquals(
      await streamResponses(kind, cutAt(both, []), { methods }),
      behind,
      `${kind}, behind good responses`,
    );
  }
}
