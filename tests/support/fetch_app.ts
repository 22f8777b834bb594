/**
 * Runs a server with a Fetch application for the duration of one test.
 *
 * @module
 */

import { type FetchApp, fetchHandler, type ServeOptions } from "@pooled/http1";
import { type Running, withServer } from "./with_server.ts";

/** Runs a test against a Fetch application. */
export function withApp(
  app: FetchApp,
  test: (running: Running & { client: Deno.HttpClient }) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  return withServer(fetchHandler(app), async (running) => {
    // A separate client, so that its pooled connections close with the test.
    using client = Deno.createHttpClient({});
    await test({ ...running, client });
  }, options);
}
