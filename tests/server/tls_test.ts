/**
 * TLS handshakes that fail.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { makeCertificate } from "../support/certificate.ts";
import { RawClient } from "../support/raw_client.ts";
import { GET } from "../support/requests.ts";
import { until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

Deno.test("TLS: failed handshakes do not affect other clients", async () => {
  const { cert, key } = await makeCertificate();

  await withServer((_req, res, info) => {
    res.send(`secure: ${info.secure}`);
  }, async ({ server, port, errors }) => {
    using client = Deno.createHttpClient({ caCerts: [cert] });
    const served = async () => {
      const answer = await fetch(`https://127.0.0.1:${port}/`, { client });
      assertEquals(await answer.text(), "secure: true");
    };
    await served();
    // Plain text, which the server answers with an alert or not at all.
    using plain = await RawClient.connect(port);
    await plain.send(GET);
    await within(plain.rest(), "the end").catch((error) => {
      assertInstanceOf(error, Deno.errors.ConnectionReset);
    });
    assert(!plain.received.includes("HTTP/"), plain.received);
    plain.conn.close();
    // No bytes, and the beginning of a handshake.
    for (const text of ["", "\x16\x03\x01", "\x16\x03\x01\x02\x00\x01\x00"]) {
      using dropped = await RawClient.connect(port);
      await dropped.send(text);
      dropped.conn.close();
    }
    // A client that does not trust the certificate.
    using strict = Deno.createHttpClient({});
    await assertRejects(
      () => fetch(`https://127.0.0.1:${port}/`, { client: strict }),
      TypeError,
    );
    await served();
    await until(() => server.stats().connections <= 1, "the broken to go");
    assertEquals(server.stats().requests, 2);
    assertEquals(errors, []);
  }, { cert, key });
});
