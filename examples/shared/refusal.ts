/**
 * Why a proxy does not pass a message on, and the answer that says so.
 *
 * @module
 */

import {
  type Handler,
  HttpError,
  type HttpRequest,
  type HttpResponse,
  RequestError,
} from "@pooled/http1";
import { PoolFull } from "../client_pool.ts";

/** What a proxy answers instead of the server. */
export class Refusal extends Error {
  /** @param message The body of the answer. */
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof PoolFull) {
    return new Refusal(503, "too many requests wait for the server");
  }
  if (error instanceof HttpError) {
    // A response that is late has 504, a body that the client broke off a 4xx.
    const { status, code } = error;
    return new Refusal(
      status,
      `the ${status < 500 ? "request" : "server's answer"} failed: ${code}`,
    );
  }
  return new Refusal(
    502,
    error instanceof RequestError
      ? "the server gave no answer"
      : "the server's answer cannot be passed on",
  );
}

/** A handler whose failures are answered, unless its response has begun. */
export function refusing<Addr extends Deno.Addr | null>(
  handler: Handler<Addr>,
): Handler<Addr> {
  return async (req: HttpRequest, res: HttpResponse, info) => {
    try {
      await handler(req, res, info);
    } catch (error) {
      if (res.sent) throw error;
      const { status, message } = refusalOf(error);
      res.send(`${message}\n`, { status });
    }
  };
}
