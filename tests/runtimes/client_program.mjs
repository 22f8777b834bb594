/**
 * A program for Node.js and Bun that is a client of the server at the port in its
 * arguments, over a socket of `node:net`. It prints what it gets, leaves its last client
 * idle, and exits by itself.
 */

import { connect as connectSocket } from "node:net";
import process from "node:process";
import { connect, nodeConn, Pools } from "../../mod.ts";

const say = (...words) => console.log(...words);
process.on("unhandledRejection", (error) => say("unhandled", error));
process.on("uncaughtException", (error) => say("uncaught", error));

const pools = new Pools();
const open = (options) =>
  connect(nodeConn(connectSocket(Number(process.argv[2]), "127.0.0.1")), {
    pools,
    authority: "a",
    ...options,
  });

const ask = async (client, init) => {
  const response = await client.request(init);
  const text = await response.text();
  response.release();
  return `${response.released} ${text}`;
};

const client = open();
say(await ask(client, { target: "/a" }));
const chunks = [1, 2].map((digit) => new TextEncoder().encode(`${digit}`));
const body = new ReadableStream({
  pull(controller) {
    const chunk = chunks.shift();
    if (chunk === undefined) controller.close();
    else controller.enqueue(chunk);
  },
});
say(await ask(client, { target: "/b", method: "PUT", body }));
say(await (await client.fetch("/c", { method: "POST", body: "x" })).text());
const large = await client.fetch("/large");
say((await large.arrayBuffer()).byteLength);
await client.close();

const pipelined = open({ pipeline: 4 });
const targets = Array.from({ length: 20 }, (_, i) => `/${i}`);
const texts = await Promise.all(
  targets.map((target) => ask(pipelined, { target })),
);
say(texts.every((text, i) => text === `true GET /${i} `));

const abort = new AbortController();
const late = pipelined.request({ target: "/never", signal: abort.signal });
setTimeout(() => abort.abort(new Error("aborted")), 20);
say(await late.then(() => "answered", ({ message }) => message));
await pipelined.closed;

const upgrading = open();
const { response, duplex } = await upgrading.upgrade({
  target: "/echo",
  headers: { upgrade: "echo" },
});
say(response.status);
response.release();
const writer = duplex.writable.getWriter();
writer.write(new TextEncoder().encode("raw"));
const reader = duplex.readable.getReader();
say(new TextDecoder().decode((await reader.read()).value));
// Only now: a socket of Bun that ends its output ends its input as well.
await writer.close();
await reader.cancel();

const idle = open();
say(await ask(idle, { target: "/idle" }));
const { requests, responses } = pools.stats();
say("in use", requests.inUse, responses.inUse);
