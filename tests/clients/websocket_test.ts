/**
 * Deno's `WebSocket` as a client of the server.
 */

import { assertEquals } from "@std/assert";
import { digestOf, patterned } from "../support/bytes.ts";
import { within } from "../support/waiting.ts";
import { echoSocket } from "../support/websocket.ts";
import { untilNoConnections, withServer } from "../support/with_server.ts";

Deno.test("a WebSocket of Deno talks to an upgraded connection", async () => {
  const sent = patterned(300_000);
  await withServer(echoSocket, async ({ port, server, errors }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    socket.binaryType = "arraybuffer";
    const got: unknown[] = [];
    const closed = new Promise<number>((resolve) => {
      socket.onclose = ({ code }) => resolve(code);
    });
    socket.onopen = () => {
      socket.send("hello");
      socket.send(sent);
    };
    socket.onmessage = ({ data }) => {
      got.push(data);
      if (got.length === 2) socket.close(1000);
    };
    assertEquals(await within(closed, "the close"), 1000);
    assertEquals(got[0], "hello");
    assertEquals(
      digestOf(new Uint8Array(got[1] as ArrayBuffer)),
      digestOf(sent),
    );
    await untilNoConnections(server);
    assertEquals(errors, []);
  });
});
