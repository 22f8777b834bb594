/**
 * The parser in other runtimes: its TypeScript sources run unchanged in the oldest
 * Node.js versions that the README supports, and in Bun. npm provides the runtimes.
 */

import { assert, assertEquals } from "@std/assert";
import { Program, RUNTIMES } from "../support/runtimes.ts";

const parser = new URL("../../src/parser.ts", import.meta.url).href;

const PROGRAM = `
import { HttpError, Pools, RequestParser } from "${parser}";

const pools = new Pools();
const bytes = (text) => new TextEncoder().encode(text);
const seen = [];

const good = new RequestParser({ pools });
good.push(bytes("GET /a?b=1 HTTP/1.1\\r\\nHost: x\\r\\nX-Case: 1\\r\\n\\r\\nPOST /c HTTP/1.1\\r\\n" +
  "Host: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n3\\r\\nhel\\r\\n"));
const first = good.next();
seen.push([first.method, first.path, first.query, [...first.headers]]);
first.release();
const second = good.next();
const text = second.text();
good.push(bytes("2\\r\\nlo\\r\\n0\\r\\nX-Sum: 5\\r\\n\\r\\n"));
seen.push([second.method, await text, [...second.trailers]]);
second.release();
seen.push(good.next());
good[Symbol.dispose]();

const bad = new RequestParser({ pools });
bad.push(bytes("GET / HTTP/1.1\\nHost: x\\n\\n"));
try {
  bad.next();
} catch (error) {
  seen.push([error instanceof HttpError, error.code, error.status]);
}
bad[Symbol.dispose]();

const { requests, tables, slabs } = pools.stats();
seen.push([requests, tables, ...slabs].map((pool) => pool.inUse));
console.log(JSON.stringify(seen));
`;

const SEEN = [
  ["GET", "/a", "b=1", [["Host", "x"], ["X-Case", "1"]]],
  ["POST", "hello", [["X-Sum", "5"]]],
  null,
  [true, "bare-lf", 400],
  [0, 0, 0, 0, 0, 0],
];

for (const runtime of RUNTIMES) {
  const flags = runtime.flags.join(" ");
  Deno.test(`the parser runs in ${runtime.name} ${flags}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const file = `${directory}/program.mjs`;
      await Deno.writeTextFile(file, PROGRAM);
      await using program = Program.start(runtime, file, []);
      const { code, errors } = await program.end();
      assert(code === 0, errors);
      assertEquals(JSON.parse(program.lines.join("")), SEEN);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
