/**
 * The server's test support under its former name.
 *
 * @module
 */

export { assertAtRest as assertPoolsAtRest } from "./support/at_rest.ts";
export { patterned } from "./support/bytes.ts";
export * from "./support/certificate.ts";
export * from "./support/raw_client.ts";
export * from "./support/waiting.ts";
export * from "./support/with_server.ts";
