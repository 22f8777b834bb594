/**
 * `request` in other runtimes: bodies of every kind pass in Node.js and Bun, a signal
 * aborts, and the pools come to rest.
 */

import { assertEquals } from "@std/assert";
import { Program, RUNTIMES } from "../support/runtimes.ts";

const PROGRAM = `
import { fetchHandler, Pools, request } from "${
  new URL("../../mod.ts", import.meta.url).href
}";

const pools = new Pools();
const seen = [];
const ask = (handler, init) => request(handler, "/a?b", init, { pools });

const upper = async (req, res) => res.send((await req.text()).toUpperCase());
const first = await ask(upper, { method: "POST", body: "hi" });
seen.push([first.status, await first.text()]);

const stream = () => new Blob(["x".repeat(200_000)]).stream();
const second = await ask(
  (req, res) => res.send(req.body, { trailers: () => ({ "x-sum": "7" }) }),
  { method: "PUT", body: stream() },
);
seen.push([(await second.arrayBuffer()).byteLength, [...second.trailers]]);

const app = async (request) => Response.json([request.url, await request.text()]);
const third = await ask(fetchHandler(app), { method: "POST", body: new URLSearchParams("q=1") });
seen.push(await third.json());

const head = await ask(upper, { method: "HEAD" });
seen.push([head.status, head.body]);

const controller = new AbortController();
const endless = (_req, res) => res.send(new ReadableStream({
  pull: () => new Promise(() => {}),
}));
const fourth = await ask(endless, { signal: controller.signal });
const reading = fourth.text().catch((error) => error);
controller.abort("enough");
seen.push(String(await reading));

const form = new FormData();
form.set("a", "b");
for (const body of [new Blob(["blob"]), form]) {
  const length = await ask(async (req, res) => {
    const { contentLength } = req;
    res.json(contentLength === (await req.bytes()).length);
  }, { method: "POST", body });
  seen.push(await length.json());
}

const inUse = () => {
  const { requests, responses, tables, slabs } = pools.stats();
  return [requests, responses, tables, ...slabs].map((pool) => pool.inUse);
};
for (let i = 0; i < 1000 && inUse().some((count) => count > 0); i++) {
  await new Promise((done) => setTimeout(done, 5));
}
seen.push(inUse());
console.log(JSON.stringify(seen));
`;

const SEEN = [
  [200, "HI"],
  [200_000, [["x-sum", "7"]]],
  ["http://localhost/a?b", "q=1"],
  [200, null],
  "enough",
  true,
  true,
  [0, 0, 0, 0, 0, 0, 0],
];

for (const runtime of RUNTIMES) {
  Deno.test(`request asks a handler in ${runtime.name}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const file = `${directory}/program.mjs`;
      await Deno.writeTextFile(file, PROGRAM);
      await using program = Program.start(runtime, file, []);
      const { code, errors } = await program.end();
      assertEquals(code, 0, errors);
      assertEquals(JSON.parse(program.lines.at(-1)!), SEEN);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
