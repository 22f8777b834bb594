/**
 * Proxied responses whose content the runtime has already decoded.
 */

import {
  assertEquals,
  assertNotMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  ENCODED_TEXT,
  ENCODERS,
  forward,
  serveEncoded,
} from "../support/encoded_origin.ts";
import { withApp } from "../support/fetch_app.ts";
import { answerTo } from "../support/raw_client.ts";

Deno.test("decoded content is sent without Content-Encoding and the encoded length", async () => {
  await using _origin = serveEncoded();
  await withApp((request) => forward(request), async ({ port, errors }) => {
    for (const coding of ["gzip", "br"]) {
      for (const path of ["/whole", "/stream", "/304"]) {
        for (const method of ["GET", "HEAD"]) {
          const answer = await answerTo(
            port,
            `${method} ${path}?coding=${coding} HTTP/1.1\r\nHost: a\r\n` +
              "Connection: close\r\n\r\n",
          );
          const [head, body] = answer.split("\r\n\r\n", 2);
          const title = `${method} ${path} ${coding}`;
          assertStringIncludes(head!, "\r\nx-origin: yes", title);
          assertNotMatch(head!, /content-encoding/i, `${title}: ${head}`);
          const hasBody = method === "GET" && path !== "/304";
          const text = body!.replaceAll(/(^|\r\n)[0-9a-f]+\r\n/g, "");
          assertEquals(text.includes(ENCODED_TEXT), hasBody, title);
          // Content-Length, if present, is that of the decoded content.
          const length = head!.match(/content-length: (\d+)/i)?.[1];
          if (length !== undefined) {
            assertEquals([hasBody, length], [true, `${body!.length}`], title);
          }
          if (!hasBody) assertEquals(body, "", title);
        }
      }
    }
    assertEquals(errors, []);
  });
});

Deno.test("if the runtime does not expose what it decoded, fetched gzip and br count as decoded", async () => {
  await using _origin = serveEncoded();
  let hidden = 0;
  await withApp(async (request) => {
    const response = await forward(request);
    for (const key of Object.getOwnPropertySymbols(response)) {
      const inner = (response as unknown as Record<symbol, unknown>)[key];
      if (inner instanceof Object && "bodyDecoded" in inner) {
        delete inner.bodyDecoded;
        hidden++;
      }
    }
    return response;
  }, async ({ url, client, errors }) => {
    const seen: Record<string, string | null> = {};
    for (const coding of Object.keys(ENCODERS)) {
      const query = `?coding=${encodeURIComponent(coding)}`;
      const { headers, body } = await fetch(`${url}/whole${query}`, {
        client,
        headers: { "accept-encoding": "identity" },
      });
      await body?.cancel();
      seen[coding] = headers.get("content-encoding");
    }
    assertEquals(seen, {
      gzip: null,
      GZIP: null,
      "x-gzip": "x-gzip",
      br: null,
      deflate: "deflate",
      "gzip, br": "gzip, br",
    });
    assertEquals(hidden, Object.keys(ENCODERS).length);
    assertEquals(errors, []);
  });
});
