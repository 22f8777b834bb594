/**
 * `readRequests` on TCP connections.
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { toText } from "@std/streams";
import { HttpError, Pools, readRequests } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { chunked, GET, post } from "../support/requests.ts";
import { settle, within } from "../support/waiting.ts";

Deno.test("TCP: requests of a connection, and an answer to a refusal", async () => {
  const pools = new Pools();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using conn = await listener.accept();
    try {
      for await (using request of readRequests(conn.readable, { pools })) {
        const body = await request.text();
        const answer = `${request.method} ${request.target} ${body}`;
        await conn.write(bytesOf(
          `HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`,
        ));
      }
    } catch (error) {
      assertInstanceOf(error, HttpError);
      // A refusal leaves the connection writable.
      await conn.write(
        bytesOf(`HTTP/1.1 ${error.status} Refused\r\n\r\n`),
      );
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  await client.write(
    bytesOf(post("/post", "one") + chunked("/chunked", "t", "wo")),
  );
  await client.write(bytesOf("GET / HTTP/2.0\r\n\r\n"));
  const answers = await toText(client.readable);
  assertEquals(
    answers,
    "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nPOST /post one" +
      "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nPOST /chunked two" +
      "HTTP/1.1 505 Refused\r\n\r\n",
  );
  await serving;
  assertAtRest(pools);
});

Deno.test("TCP: code that catches a refusal outside the loop can answer it", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const chunkedHead = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  const cases: [status: number, packets: string[]][] = [
    [400, ["GET / HTTP/1.1\n"]],
    [400, [chunkedHead + "zz\r\n"]],
    [400, [chunkedHead, "zz\r\n"]],
    [413, [`${head}Content-Length: 100\r\n\r\nx`]],
    [413, [chunkedHead + "10\r\n0123456789abcdef\r\n"]],
    [413, [chunkedHead, "10\r\n0123456789abcdef\r\n"]],
  ];
  for (const [status, packets] of cases) {
    const pools = new Pools();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const serving = (async () => {
      using conn = await listener.accept();
      const options = { pools, maxBodySize: 10 };
      try {
        for await (using request of readRequests(conn.readable, options)) {
          await request.text();
        }
      } catch (error) {
        assertInstanceOf(error, HttpError);
        await conn.write(bytesOf(`HTTP/1.1 ${error.status} No\r\n\r\n`));
      }
    })();
    using client = await Deno.connect({ hostname: "127.0.0.1", port });
    for (const packet of packets) {
      await client.write(bytesOf(packet));
      await settle();
    }
    const answer = new Uint8Array(100);
    const length = await client.read(answer);
    assertEquals(
      new TextDecoder().decode(answer.subarray(0, length ?? 0)),
      `HTTP/1.1 ${status} No\r\n\r\n`,
      packets.join("|"),
    );
    await serving;
    assertAtRest(pools);
  }
});

Deno.test("TCP: leaving the loop closes the connection", async () => {
  const pools = new Pools();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  const conn = await listener.accept();
  await client.write(bytesOf(GET + GET));
  for await (using request of readRequests(conn.readable, { pools })) {
    assertEquals(request.method, "GET");
    break;
  }
  const end = client.read(new Uint8Array(1)).catch(() => null);
  assertEquals(await within(end, "the end of the connection"), null);
  assertAtRest(pools);
});
