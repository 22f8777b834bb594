/**
 * Runs requests against a handler over one TCP connection and parses the responses.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Handler, ServeOptions } from "@pooled/http1";
import { answerTo } from "./raw_client.ts";
import { LAST_GET } from "./requests.ts";
import { type Answer, answersIn } from "./response_reader.ts";
import { withServer } from "./with_server.ts";

/** The result of an exchange. */
export interface Exchanged {
  wire: string;
  /** The first response. */
  answer: Answer;
  answers: Answer[];
  errors: unknown[];
}

/** Sends `request` and parses all responses until the server closes. */
export async function exchange(
  handler: Handler,
  request = LAST_GET,
  options: ServeOptions = {},
): Promise<Exchanged> {
  let exchanged!: Exchanged;
  await withServer(handler, async ({ port, errors }) => {
    const wire = await answerTo(port, request);
    const methods = [...request.matchAll(/^([A-Z]+) \S+ HTTP/gm)]
      .map((match) => match[1]!);
    const answers = answersIn(wire, { methods, repeated: true });
    exchanged = { wire, answer: answers[0]!, answers, errors };
  }, options);
  return exchanged;
}

/** Like `exchange`, for a truncated response that a strict reader would reject. */
export async function rawExchange(
  handler: Handler,
  request = LAST_GET,
): Promise<{ head: string; body: string; errors: unknown[] }> {
  let result!: { head: string; body: string; errors: unknown[] };
  await withServer(handler, async ({ port, errors }) => {
    const wire = await answerTo(port, request);
    const end = wire.indexOf("\r\n\r\n");
    assert(end >= 0, `no head in ${JSON.stringify(wire)}`);
    result = { head: wire.slice(0, end), body: wire.slice(end + 4), errors };
  });
  return result;
}
