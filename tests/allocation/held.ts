/**
 * Prints the memory of one pooled request with its header table, on and off the V8 heap.
 * `allocation_test.ts` runs it in a separate process.
 *
 * @module
 */

import { repeat, SIMPLE_GET, TEN_HEADERS } from "../../bench/inputs.ts";
import { type HttpRequest, Pools, RequestParser } from "../../mod.ts";

declare const gc: () => void;

const MANY = 5000;
const parser = new RequestParser({ pools: new Pools() });
parser.push(TEN_HEADERS);
parser.next()!.release();
const held: HttpRequest[] = new Array(MANY);
// All requests share one window, so the loop allocates only request objects.
parser.push(repeat(SIMPLE_GET, MANY));
gc();
const before = Deno.memoryUsage();
for (let i = 0; i < MANY; i++) held[i] = parser.next()!;
gc();
const after = Deno.memoryUsage();
for (const request of held) request.release();
parser[Symbol.dispose]();
const bytes = after.heapUsed - before.heapUsed + after.external -
  before.external;
console.log(String(bytes / MANY));
