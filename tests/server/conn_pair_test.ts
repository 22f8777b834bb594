/**
 * `connPair`: what one end writes, the other reads, and each waits for the other.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { connPair } from "../../src/io/conn_pair.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { test } from "../support/waiting.ts";

/** Whether a promise is pending after any number of microtasks. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false, () => pending = false);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return pending;
}

test("a write waits for a read, and a read for a write, both ways", async () => {
  for (const [from, to] of [connPair(), connPair().toReversed()]) {
    const into = new Uint8Array(8);
    const write = from!.write(bytesOf("one"));
    assertEquals(await isPending(write), true);
    assertEquals([await to!.read(into), await write], [3, 3]);
    const read = to!.read(into);
    assertEquals(await isPending(read), true);
    assertEquals([await from!.write(bytesOf("four")), await read], [4, 4]);
    assertEquals(textOf(into.subarray(0, 4)), "four");
  }
});

test("a write takes what the memory of the read holds", async () => {
  const [from, to] = connPair();
  const into = new Uint8Array(2);
  const write = from.write(bytesOf("abc"));
  assertEquals([await to.read(into), await write], [2, 2]);
  assertEquals(textOf(into), "ab");
});

test("the end comes after what was written; the other way stays open", async () => {
  const [from, to] = connPair();
  const into = new Uint8Array(8);
  const write = from.write(bytesOf("last"));
  await from.closeWrite();
  assertEquals([await to.read(into), await write], [4, 4]);
  assertEquals([await to.read(into), await to.read(into)], [null, null]);
  await assertRejects(() => from.write(into), TypeError, "closed");
  const back = to.write(bytesOf("yes"));
  assertEquals([await from.read(into), await back], [3, 3]);
});

test("a close settles what waits at both ends, and moves nothing more", async () => {
  for (const closes of [0, 1]) {
    const pair = connPair();
    const [near, far] = pair;
    const into = new Uint8Array(8);
    const read = near.read(into);
    const write = near.write(bytesOf("lost"));
    const failed = assertRejects(() => write, TypeError, "closed");
    pair[closes]!.close();
    assertEquals(await read, null);
    await failed;
    await assertRejects(() => far.write(bytesOf("late")), TypeError, "closed");
    assertEquals(await far.read(into), null);
    assertEquals(into, new Uint8Array(8));
    pair[closes]!.close();
  }
});
