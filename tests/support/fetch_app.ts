/**
 * A server that runs a Fetch application for the time of one test.
 *
 * @module
 */

import { type FetchApp, fetchHandler, type ServeOptions } from "@pooled/http1";
import { type Running, withServer } from "./with_server.ts";

/** Runs a test against an application. */
export function withApp(
  app: FetchApp,
  test: (running: Running & { client: Deno.HttpClient }) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  return withServer(fetchHandler(app), async (running) => {
    // A client of the test's own, whose connections end with it.
    using client = Deno.createHttpClient({});
    await test({ ...running, client });
  }, options);
}
