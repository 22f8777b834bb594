/**
 * Handlers that many tests share.
 *
 * @module
 */

import type { Handler } from "@pooled/http1";
import { streamOf } from "./streams.ts";
import { sleep } from "./waiting.ts";

/** Answers "hello". */
export const hello: Handler = (_req, res) => res.send("hello");

/** Answers with the request target. */
export const echoTarget: Handler = (req, res) => res.send(req.target);

/** Buffers the request body and answers with it. */
export const echoText: Handler = async (req, res) => {
  res.send(await req.text());
};

/** Answers `/i` synchronously, after a microtask, after a timer, or with a stream, by i. */
export const mixed: Handler = (req, res) => {
  const { target } = req;
  const i = Number(target.slice(1));
  switch (i % 5) {
    case 0:
      return res.send(target);
    case 1:
      return Promise.resolve().then(() => res.send(target));
    case 2:
      return sleep(i % 3).then(() => res.send(target));
    case 3:
      return res.send(streamOf(["/", target.slice(1)]));
    case 4:
      return (async () => {
        res.send(target);
        await sleep(1);
      })();
  }
};
