/**
 * The example of a tunnel, through the forward proxy and through hostile ones.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { serve } from "../../mod.ts";
import { makeCertificate } from "../support/certificate.ts";
import { Example, type ExampleOptions } from "../support/example.ts";
import { test, within } from "../support/waiting.ts";

test("CONNECT tunnel: HTTPS through the forward proxy", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key, certFile } = await makeCertificate(folder);
    await using server = serve(
      { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
      (req, res, { secure }) =>
        res.send(`${req.target} of ${req.headers.get("host")}, ${secure}`),
    );
    await using proxy = Example.start("forward_proxy.ts", ["0", "localhost"]);
    const { port } = server.addr;
    await using example = Example.start("connect_tunnel.ts", [
      "127.0.0.1",
      String(await proxy.port()),
      `https://localhost:${port}/a?b`,
      certFile,
    ]);
    assertEquals(await example.end(), { code: 0, errors: "" });
    assertStringIncludes(
      example.text,
      `200 OK\n/a?b of localhost:${port}, true\n`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What the example prints to stderr when its proxy sends `answer`. */
async function errorsAfter(answer: string, options?: ExampleOptions) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using example = Example.start("connect_tunnel.ts", [
    "127.0.0.1",
    String(listener.addr.port),
    "https://localhost/",
  ], options);
  using conn = await within(listener.accept(), "the example");
  await conn.read(new Uint8Array(1024));
  await conn.write(new TextEncoder().encode(answer));
  const { code, errors } = await example.end();
  assertEquals(code, 1);
  return errors;
}

test("CONNECT tunnel: refusals, nonsense and silence end the program", async () => {
  assertStringIncludes(
    await errorsAfter(
      "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n",
    ),
    "the proxy answered 407",
  );
  assertStringIncludes(
    await errorsAfter("HTTP/1.1 200 OK\r\n\r\n\x16\x03"),
    "something speaks before TLS has begun",
  );
  assertStringIncludes(await errorsAfter("HTTP/1.1 200\n\n"), "HttpError");
  assertStringIncludes(
    await errorsAfter(`HTTP/1.1 200 OK\r\nA: ${"a".repeat(20_000)}`),
    "rror",
  );
  const constants = { TOTAL_MS: 300 };
  for (const answer of ["HTTP/1.1 2", "HTTP/1.1 200 OK\r\n\r\n"]) {
    assertStringIncludes(await errorsAfter(answer, { constants }), "rror");
  }
});
