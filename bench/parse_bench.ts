/**
 * What a request costs from its bytes to its release: the copy into the slab, the
 * parse, one look at the method, and the return to the pool.
 *
 * The names are those of the plan that this project started from.
 */

import { RequestParser } from "../src/parser.ts";
import {
  BROWSER_GET,
  GET_WITH_HEADERS,
  PIPELINED_16,
  SIMPLE_GET,
  TEN_HEADERS,
  THIRTY_TWO_HEADERS,
} from "./inputs.ts";

const parser = new RequestParser();
let seen = 0;

function parse(wire: Uint8Array): void {
  parser.push(wire);
  for (let request; (request = parser.next()) !== null; request.release()) {
    if (request.method === "GET") seen++;
  }
}

const BENCHMARKS: [name: string, wire: Uint8Array, requests: number][] = [
  ["ParseSimpleGET", SIMPLE_GET, 1],
  ["ParseGETWithHeaders", GET_WITH_HEADERS, 1],
  ["ParseWith10Headers", TEN_HEADERS, 1],
  ["ParseWith32Headers", THIRTY_TWO_HEADERS, 1],
  ["ParseBrowserGET703", BROWSER_GET, 1],
  ["Pipelined16", PIPELINED_16, 16],
];

for (const [name, wire, requests] of BENCHMARKS) {
  seen = 0;
  parse(wire);
  if (seen !== requests) throw new Error(`${name}: ${seen} requests`);
  Deno.bench(name, { group: "parse" }, () => parse(wire));
}
