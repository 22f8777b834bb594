/**
 * Clients that keep to the protocol: each of their requests gets its answer, whole and
 * in order.
 *
 * @module
 */

import { bodyOf } from "./bodies.ts";
import { Peer, Violation } from "./peer.ts";
import type { Random } from "./random.ts";
import { anyRequest, head, sizeOf, wireOf } from "./requests.ts";

/** What a client of the soak is given. */
export interface Client {
  port: number;
  random: Random;
  /** An id that no other request has. */
  nextId(): string;
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Bursts of pipelined requests, cut at random. */
export async function pipelining(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  for (let bursts = random.integer(1, 6); bursts > 0; bursts--) {
    let wire = "";
    for (let i = random.integer(1, 16); i > 0; i--) {
      const request = anyRequest(random, client.nextId());
      peer.expect(request.id, request.body, request.status);
      wire += wireOf(random, request);
    }
    // Both directions at once: neither side may wait for the other to read.
    const sending = (async () => {
      for (const piece of random.pieces(wire, 6)) await peer.send(piece);
    })();
    sending.catch(() => {});
    await peer.checkAll();
    await sending;
    if (random.chance(0.3)) await sleep(random.integer(0, 100));
  }
  if (random.chance(0.5)) return;
  const id = client.nextId();
  peer.expect(id, id);
  const target = `/text/${id}/${id.length}`;
  await peer.send(head("GET", target, "Connection: close"));
  await peer.checkAll();
  await peer.checkEnd();
}

/** One request, and the end of the output right behind it. */
export async function halfClosing(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const request = anyRequest(random, client.nextId());
  peer.expect(request.id, request.body, request.status);
  const sending = peer.send(wireOf(random, request)).then(() =>
    peer.closeWrite()
  );
  sending.catch(() => {});
  await peer.checkAll();
  await sending;
  await peer.checkEnd();
}

/** A body that waits for 100 (Continue). */
export async function continuing(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const id = client.nextId();
  const size = sizeOf(random) + 1;
  peer.expect(id, bodyOf(id, size));
  await peer.send(head(
    "POST",
    `/echo/${id}`,
    "Expect: 100-continue",
    `Content-Length: ${size}`,
  ));
  const { status } = await peer.head();
  if (status !== 100) throw new Violation(`${id} got ${status} and no 100`);
  await peer.send(bodyOf(id, size));
  await peer.checkAll();
}

/** An upgrade to a protocol that echoes. */
export async function upgrading(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const id = client.nextId();
  const early = random.chance(0.5) ? bodyOf(id, random.integer(1, 5000)) : "";
  await peer.send(
    head("GET", `/upgrade/${id}`, "Connection: Upgrade", "Upgrade: echo") +
      early,
  );
  const { status, fields } = await peer.head();
  if (status !== 101 || fields.get("x-id") !== id) {
    throw new Violation(`${id} got ${status} for ${fields.get("x-id")}`);
  }
  if (await peer.take(early.length) !== early) {
    throw new Violation(`${id} got another echo of what came with the head`);
  }
  for (let i = random.integer(0, 5); i > 0; i--) {
    const text = bodyOf(client.nextId(), random.integer(1, 60_000));
    const sending = peer.send(text);
    sending.catch(() => {});
    const echo = await peer.take(text.length);
    await sending;
    if (echo !== text) throw new Violation(`${id} got another echo`);
    Peer.checked++;
  }
  if (random.chance(0.5)) {
    await peer.closeWrite();
    await peer.checkEnd();
  }
}

/** Some events of a stream without end. */
export async function listening(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const id = client.nextId();
  await peer.send(head("GET", `/events/${id}`));
  const { status, fields } = await peer.head();
  if (status !== 200 || fields.get("x-id") !== id) {
    throw new Violation(`${id} got ${status} for ${fields.get("x-id")}`);
  }
  for (let i = 0, count = random.integer(0, 30); i < count; i++) {
    const event = `id: ${i}\ndata: ${id}\n\n`;
    const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;
    const got = await peer.take(chunk.length);
    if (got !== chunk) throw new Violation(`${id} got ${JSON.stringify(got)}`);
    Peer.checked++;
  }
}
