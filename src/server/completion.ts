/**
 * Whether a response was sent: the promises behind `info.completed` of Fetch applications.
 *
 * A response has a promise once it is asked for, or once the response has failed. One that
 * is asked for after the end of the exchange gets the same outcome.
 *
 * @module
 */

import type { Output } from "../io/output.ts";
import { ignoreUnhandled } from "../message/promises.ts";
import type { HttpResponse } from "./response.ts";

const COMPLETIONS = new WeakMap<HttpResponse, PromiseWithResolvers<void>>();

function completionOf(response: HttpResponse): PromiseWithResolvers<void> {
  let completion = COMPLETIONS.get(response);
  if (completion === undefined) {
    completion = Promise.withResolvers<void>();
    ignoreUnhandled(completion.promise);
    COMPLETIONS.set(response, completion);
  }
  return completion;
}

/** The promise; `isWhole` says that all of the response went to the output. */
export function completed(
  response: HttpResponse,
  output: Output,
  isWhole: boolean,
): Promise<void> {
  const isNew = !COMPLETIONS.has(response);
  const { promise } = completionOf(response);
  if (isNew && isWhole) awaitOutput(response, output);
  return promise;
}

/** All of the response is in the output: its fate is that of the output. */
export function awaitOutput(response: HttpResponse, output: Output): void {
  const { resolve, reject } = completionOf(response);
  if (output.closed && !output.lost) resolve();
  else output.empty().then(resolve, reject);
}

/** The response could not be sent. The first error counts. */
export function failCompletion(response: HttpResponse, error: unknown): void {
  completionOf(response).reject(error);
}
