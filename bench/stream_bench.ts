/**
 * Streams of requests, and bodies, with a group for each input. For `deno bench`.
 */

import { register } from "./lib/cases.ts";

const GETS = "1 MiB of simple GETs, 64 KiB a read";

register({
  readRequests: GETS,
  RequestStream: GETS,
  ChunkedSmall: "4,096 chunks of 16 bytes",
  ChunkedLarge: "16 chunks of 64 KiB",
  Body10MB: "a body of 10 MB with its length",
});
