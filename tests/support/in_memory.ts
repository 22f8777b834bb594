/**
 * Asks handlers by `request`, on pools that tests check.
 *
 * @module
 */

import {
  type Handler,
  type InMemoryOptions,
  type InMemoryResponse,
  Pools,
  request,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { within } from "./waiting.ts";

/** Asks with pools of its own, whose rest `atRest` checks. */
export function asker(options: InMemoryOptions = {}) {
  const pools = new Pools();
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  return {
    pools,
    errors,
    atRest: () => assertAtRest(pools),
    ask: (
      handler: Handler,
      input: string | URL | Request = "/",
      init?: RequestInit,
    ): Promise<InMemoryResponse> =>
      within(
        request(handler, input, init, { pools, onError, ...options }),
        "the response",
      ),
  };
}

/** Echoes what it is asked. */
export const echo: Handler = async (req, res, info) => {
  res.json({
    method: req.method,
    target: req.target,
    version: req.httpVersion,
    fields: [...req.headers],
    length: req.contentLength,
    chunked: req.chunked,
    text: await req.text(),
    remoteAddr: info.remoteAddr,
    localAddr: info.localAddr,
    secure: info.secure,
    context: info.context,
  });
};

/** A promise that stays pending. */
export const never = () => new Promise<void>(() => {});

/** A stream of chunks, each in a later turn of the event loop. */
export function laterStream(
  chunks: (Uint8Array | string)[],
  cancelled?: (reason: unknown) => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next = 0;
  let wait: ReturnType<typeof setTimeout> | undefined;
  return new ReadableStream({
    async pull(controller) {
      // Later than any number of microtasks.
      await new Promise((resolve) => wait = setTimeout(resolve, 5));
      const chunk = chunks[next++];
      if (chunk === undefined) return controller.close();
      controller.enqueue(
        typeof chunk === "string" ? encoder.encode(chunk) : chunk,
      );
    },
    cancel(reason) {
      clearTimeout(wait);
      cancelled?.(reason);
    },
  }, { highWaterMark: 0 });
}
