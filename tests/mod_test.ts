/**
 * Types of the public API.
 */

import { assertInstanceOf } from "@std/assert";
import { assertType, type IsExact } from "@std/testing/types";
import {
  type HttpError,
  type HttpErrorCode,
  type HttpHeaders,
  type HttpRequest,
  type readRequests,
  type RequestParser,
  RequestStream,
} from "@pooled/http1";

Deno.test("the public names have the documented types", () => {
  assertType<IsExact<HttpRequest["method"], string>>(true);
  assertType<IsExact<HttpRequest["httpVersion"], "1.0" | "1.1">>(true);
  assertType<IsExact<HttpRequest["headers"], HttpHeaders>>(true);
  assertType<IsExact<HttpRequest["contentLength"], number | null>>(true);
  assertType<IsExact<HttpRequest["upgrade"], string | null>>(true);
  assertType<IsExact<HttpRequest["trailers"], HttpHeaders | null>>(true);
  assertType<IsExact<ReturnType<RequestParser["next"]>, HttpRequest | null>>(
    true,
  );
  assertType<IsExact<HttpError["code"], HttpErrorCode>>(true);
  assertType<
    IsExact<ReturnType<typeof readRequests>, ReadableStream<HttpRequest>>
  >(true);
  const transform: TransformStream<Uint8Array, HttpRequest> =
    new RequestStream();
  assertInstanceOf(transform.readable, ReadableStream);
});
