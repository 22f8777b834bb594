/**
 * The scanner of field lines first compares each name with one predicted from earlier
 * heads of any parser. The prediction reads past a line that is cut off; it must stay
 * within the slab, and never change what is read.
 */

import { assertEquals } from "@std/assert";
import { Pools, RequestParser, ResponseParser } from "@pooled/http1";
import { SLAB_PADDING, SLAB_SIZES } from "../../src/memory/sizes.ts";
import { FIELD_NAMES } from "../../src/wire/names.ts";
import { bytesOf } from "../support/bytes.ts";

const LONGEST = FIELD_NAMES.reduce((a, b) => b.length > a.length ? b : a);

Deno.test("the padding of a slab covers the longest predicted name and its colon", () => {
  assertEquals(SLAB_PADDING > LONGEST.length, true, LONGEST);
});

for (
  const [what, Parser, start] of [
    ["request", RequestParser, "GET / HTTP/1.1\r\nHost: a\r\n"],
    ["response", ResponseParser, "HTTP/1.1 200 X\r\n"],
  ] as const
) {
  for (
    const [section, before, lines] of [
      ["header", start, "headers"],
      [
        "trailer",
        `${start}Transfer-Encoding: chunked\r\n\r\n0\r\n`,
        "trailers",
      ],
    ] as const
  ) {
    const end = section === "header" ? "Content-Length: 0\r\n\r\n" : "\r\n";
    Deno.test(`a ${section} of a ${what} is read alike, wherever a full slab cuts it off`, async () => {
      const pools = new Pools();
      const read = async (first: string, second = "") => {
        using parser = new Parser({ pools, maxHeaderBytes: 20_000 });
        parser.push(bytesOf(first));
        let message = parser.next();
        const whole = message?.bytes();
        parser.push(bytesOf(second));
        message ??= parser.next();
        using held = message!;
        await (whole ?? held.bytes());
        return held[lines]?.get(LONGEST);
      };
      // The line after `Server` begins in each of the last bytes of a slab.
      for (const size of SLAB_SIZES.slice(0, 2)) {
        for (let left = 0; left <= LONGEST.length + 4; left++) {
          // The name that is predicted after `Server` from now on.
          await read(`${before}Server: a\r\n${LONGEST}: 1\r\n${end}`);
          const line = `${before}Server: `;
          const fill = "s".repeat(size - left - line.length - 2);
          const rest = `${LONGEST}: 2\r\n${end}`;
          assertEquals(
            await read(
              `${line}${fill}\r\n${rest.slice(0, left)}`,
              rest.slice(left),
            ),
            "2",
            `${left} bytes left of ${size}`,
          );
        }
      }
    });
  }
}
