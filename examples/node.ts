/**
 * A server in Node.js and Bun, on the sockets of `node:net`.
 *
 * `node examples/node.ts 8000`, `bun examples/node.ts 8000` or, since Deno has these
 * sockets as well, `deno run -N examples/node.ts 8000`. Node.js is 22.18 or later.
 *
 * @module
 */

import { createServer } from "node:net";
import process from "node:process";
import { nodeConn, serveConnection } from "../mod.ts";

const [port = "8000"] = process.argv.slice(2);
const server = createServer({ allowHalfOpen: true }, (socket) => {
  serveConnection(
    nodeConn(socket),
    (req, res) => res.send(`hello ${req.path}\n`),
  );
});
server.listen(Number(port), "127.0.0.1", () => {
  const { port } = server.address() as { port: number };
  console.log(`listening on http://127.0.0.1:${port}/`);
});
