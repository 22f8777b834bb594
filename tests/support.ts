/**
 * The parser's test support under its former name.
 *
 * @module
 */

export * from "./support/at_rest.ts";
export * from "./support/bytes.ts";
export * from "./support/parser_runs.ts";
