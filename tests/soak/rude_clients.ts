/**
 * Clients that stall, leave and break the protocol. What the server sends them is
 * checked as far as the protocol says what it has to be.
 *
 * @module
 */

import { bodyOf } from "./bodies.ts";
import { type Client, sleep } from "./orderly_clients.ts";
import { Peer, Violation } from "./peer.ts";
import { anyRequest, chunked, head, wireOf } from "./requests.ts";

/** Longer than the timeouts of the server and their delay. */
const STALL = 4500;

/** Whole requests that get their answers, then half of a head. */
export async function stallingInHead(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  if (random.chance(0.5)) {
    const request = anyRequest(random, client.nextId());
    peer.expect(request.id, request.body, request.status);
    const sending = peer.send(wireOf(random, request));
    sending.catch(() => {});
    await peer.checkAll();
    await sending;
  }
  const whole = head("GET", `/text/${client.nextId()}/5`);
  await peer.send(whole.slice(0, random.integer(1, whole.length - 1)));
  if (random.chance(0.7)) return await sleep(random.integer(0, 300));
  const { status } = await peer.answer();
  if (status !== 408) throw new Violation(`half a head got ${status}`);
  await peer.checkEnd();
}

/** Nothing at all, for a while. */
export async function silent(client: Client): Promise<void> {
  using peer = await Peer.connect(client.port);
  if (client.random.chance(0.9)) return;
  await peer.checkEnd();
}

/** Half of a body: then a close, an end of the output, or a stall. */
export async function abortingUpload(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const id = client.nextId();
  const size = random.integer(2, 100_000);
  const route = random.pick(["/echo", "/fetch/echo"]);
  const wire = random.chance(0.5)
    ? head("POST", `${route}/${id}`, `Content-Length: ${size}`) +
      bodyOf(id, size)
    : head("POST", `${route}/${id}`, "Transfer-Encoding: chunked") +
      chunked(random, bodyOf(id, size));
  const bodyAt = wire.indexOf("\r\n\r\n") + 4;
  await peer.send(wire.slice(0, random.integer(bodyAt, wire.length - 3)));
  const end = random.pick(["close", "close", "end", "stall"]);
  if (end === "end") {
    await peer.closeWrite();
    await peer.checkEnd();
  } else if (end === "stall" && random.chance(0.3)) {
    const { status } = await peer.answer();
    if (status !== 408) throw new Violation(`half a body got ${status}`);
    await peer.checkEnd();
  }
}

/** A large download that is left, or stalls: for a moment, or for too long. */
export async function abortingDownload(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const id = client.nextId();
  const route = random.pick(["text", "bytes", "stream", "fetch/stream"]);
  const size = random.integer(100_000, 8_000_000);
  peer.expect(id, bodyOf(id, size));
  await peer.send(head("GET", `/${route}/${id}/${size}`));
  if (random.chance(0.2)) {
    await sleep(random.integer(0, 500));
    return await peer.checkAll();
  }
  if (random.chance(0.5)) await peer.read();
  if (random.chance(0.1)) {
    // The server drops the connection where the system did not take all of it.
    await sleep(STALL);
    await peer.untilGone();
  }
}

/** Pipelined requests whose answers are not read: the close is a reset. */
export async function resetting(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  let wire = "";
  for (let i = random.integer(1, 30); i > 0; i--) {
    wire += wireOf(random, anyRequest(random, client.nextId()));
  }
  // The server stops to read when its answers are not taken.
  const sending = peer.send(wire);
  sending.catch(() => {});
  await peer.read();
  await sleep(random.integer(0, 20));
}

/** Upgrades, and leaves in the middle of an echo. */
export async function abortingUpgrade(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  await peer.send(
    head(
      "GET",
      `/upgrade/${client.nextId()}`,
      "Connection: Upgrade",
      "Upgrade: echo",
    ) + "x".repeat(random.integer(0, 20_000)),
  );
  if (random.chance(0.5)) await peer.head();
}

/** A response whose stream fails on the server. */
export async function brokenDownload(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const id = client.nextId();
  const size = random.integer(2, 20_000);
  await peer.send(head("GET", `/break/${id}/${size}`));
  const { status, fields } = await peer.head();
  if (status !== 200 || fields.get("x-id") !== id) {
    throw new Violation(`${id} got ${status} for ${fields.get("x-id")}`);
  }
  while (await peer.read());
  const half = bodyOf(id, size).slice(0, size / 2);
  const cut = `${half.length.toString(16)}\r\n${half}\r\n`;
  if (peer.text !== cut) {
    throw new Violation(`${id} got another half: ${peer.text.slice(0, 100)}`);
  }
}

const MALFORMED = [
  "GET / HTTP/1.1\r\n\r\n",
  "GET  / HTTP/1.1\r\nHost: soak\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: soak\r\nA : b\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: soak\r\nContent-Length: x\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: soak\r\nContent-Length: 1\r\n" +
  "Transfer-Encoding: chunked\r\n\r\n",
];

/** Whole requests that get their answers, then one that is refused. */
export async function malformed(client: Client): Promise<void> {
  const { port, random } = client;
  using peer = await Peer.connect(port);
  const request = anyRequest(random, client.nextId());
  peer.expect(request.id, request.body, request.status);
  const sending = peer.send(wireOf(random, request) + random.pick(MALFORMED));
  sending.catch(() => {});
  await peer.check();
  await sending;
  const { status } = await peer.answer();
  if (status !== 400) throw new Violation(`a malformed head got ${status}`);
  await peer.checkEnd();
}
