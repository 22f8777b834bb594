/**
 * The documented defaults and ranges of all limits match the table in `src/limits.ts`.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  connect,
  RequestParser,
  serve,
  type ServeOptions,
} from "@pooled/http1";
import { MemoryConn } from "./support/memory_conn.ts";

/** The limits that only a client has. */
const OF_CLIENTS = ["continueTimeout", "pipeline", "maxQueued"];

const source = await Deno.readTextFile(
  new URL("../src/limits.ts", import.meta.url),
);
const readme = await Deno.readTextFile(
  new URL("../README.md", import.meta.url),
);

/** The rows of the table in `src/limits.ts`. */
const LIMITS = [
  ...source.matchAll(
    /^ {2}(\w+): \{ value: ([\d_]+|Infinity), least: (\d), unbounded: (\w+) \},$/gm,
  ),
].map(([, name, value, least, unbounded]) => ({
  name: name!,
  value: Number(value!.replaceAll("_", "")),
  least: Number(least),
  unbounded: unbounded === "true",
}));

/** Matches a value as the documents write it: 8,192 or 8192, 30 s, 256 KiB, 1 MiB. */
function spellings(value: number): string[] {
  if (value === Infinity) return ["no bound"];
  return [
    value.toLocaleString("en"),
    `${value / 1000} s`,
    `${value / 1024} KiB`,
    `${value / 1024 / 1024} MiB`,
  ];
}

Deno.test("the table of limits can be read from the source", () => {
  assert(LIMITS.length >= 18, `${LIMITS.length} limits`);
});

for (const { name, value, least, unbounded } of LIMITS) {
  Deno.test(`${name}: the documents give its default`, () => {
    const doc = source.match(
      new RegExp(`@default \\{(\\w+)\\}\\n +\\*/\\n +${name}\\?: number;`),
    );
    assertEquals(Number(doc?.[1]), value);
    const row = readme.match(new RegExp(`^\\| \`${name}\` .*$`, "m"))?.[0] ??
      "";
    assert(spellings(value).some((text) => row.includes(text)), row);
  });

  Deno.test(`${name}: values out of range throw`, () => {
    const wrong = [
      least - 1,
      1.5,
      NaN,
      -Infinity,
      ...unbounded ? [] : [Infinity],
    ];
    for (const given of wrong) {
      const options: ServeOptions = { hostname: "127.0.0.1", port: 0 };
      assertThrows(
        () =>
          OF_CLIENTS.includes(name)
            ? connect(new MemoryConn([]), { [name]: given })
            : serve({ ...options, [name]: given }, () => {}),
        RangeError,
        `${name} is ${given}; expected a whole number from ${least} on`,
      );
    }
    // The parser accepts the minimum and, where allowed, Infinity.
    if (
      name in
        {
          maxRequestLine: 0,
          maxHeaderBytes: 0,
          maxHeaders: 0,
          maxBodySize: 0,
          maxFetchBodySize: 0,
        }
    ) {
      for (const given of [least, ...unbounded ? [Infinity] : []]) {
        new RequestParser({ [name]: given })[Symbol.dispose]();
      }
    }
  });
}
