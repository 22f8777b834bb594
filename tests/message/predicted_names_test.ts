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
    ["response", ResponseParser, "HTTP/1.1 204 X\r\n"],
  ] as const
) {
  Deno.test(`a ${what} is read alike, whatever follows the end of a full slab`, () => {
    const pools = new Pools();
    const read = (first: string, second = "") => {
      using parser = new Parser({ pools, maxHeaderBytes: 20_000 });
      parser.push(bytesOf(first));
      let message = parser.next();
      if (message === null) {
        parser.push(bytesOf(second));
        message = parser.next();
      }
      using _ = message!;
      return message!.headers.get(LONGEST);
    };
    // The line after `Server` begins in each of the last bytes of a slab.
    for (const size of SLAB_SIZES.slice(0, 2)) {
      for (let left = 0; left <= LONGEST.length + 4; left++) {
        // The name that follows `Server` in the next head, as far as one can tell.
        assertEquals(read(`${start}Server: a\r\n${LONGEST}: 1\r\n\r\n`), "1");
        const line = `${start}Server: `;
        const server = `${line}${
          "s".repeat(size - left - line.length - 2)
        }\r\n`;
        const rest = `${LONGEST}: 2\r\n\r\n`;
        assertEquals(
          read(server + rest.slice(0, left), rest.slice(left)),
          "2",
          `${left} bytes left of ${size}`,
        );
      }
    }
  });
}
