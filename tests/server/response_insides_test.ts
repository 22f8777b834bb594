/**
 * What is read of a `Response` behind the back of Fetch is what Fetch tells of it.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  foundShapes,
  probeInsides,
  readFull,
  takeBrief,
  useFull,
} from "../../src/server/response_insides.ts";
import { insides } from "../../src/server/response_insides.ts";
import { bytesOf } from "../support/bytes.ts";

probeInsides();

const INITS: (ResponseInit | undefined)[] = [
  undefined,
  {},
  { status: 200 },
  { status: 404, statusText: "No" },
  { headers: {} },
  { headers: { "X-A": "1", "content-type": "a/b" } },
  {
    headers: [["set-cookie", "a"], ["Set-Cookie", "b"], ["x", "1"], ["x", "2"]],
  },
];

const BODIES: Record<string, () => BodyInit | null> = {
  text: () => "grüße",
  empty: () => "",
  bytes: () => bytesOf("bytes"),
  buffer: () => bytesOf("buffer").buffer,
  search: () => new URLSearchParams({ a: "b c" }),
  blob: () => new Blob(["blob"], { type: "a/b" }),
  form: () => new FormData(),
  stream: () => new Blob(["stream"]).stream(),
  nothing: () => null,
};

/** What a program can do to a response before it gives it away. */
const TOUCHES: Record<string, (response: Response) => Response> = {
  "nothing": (response) => response,
  "its headers": (response) => (void response.headers, response),
  "changed headers": (response) => {
    response.headers.set("x-touched", "yes");
    response.headers.delete("content-type");
    return response;
  },
  "its body": (response) => (void response.body, response),
  "a clone": (response) => response.clone(),
  "the cloned": (response) => (response.clone(), response),
  "a copy": (response) => new Response(response.body, response),
};

/** A form's boundary is random. */
function plain(value: unknown): string {
  return JSON.stringify(value).replaceAll(/-{4}\d+/g, "boundary");
}

/** The public switch has to be on: one run of the tests turns it off. */
function whileEnabled(run: () => void): void {
  const { enabled } = insides;
  insides.enabled = true;
  try {
    run();
  } finally {
    insides.enabled = enabled;
  }
}

Deno.test("this runtime has both shapes", () => {
  assertEquals(foundShapes(), { brief: true, full: true });
});

for (const [kind, make] of Object.entries(BODIES)) {
  for (const [touched, touch] of Object.entries(TOUCHES)) {
    Deno.test(`a body of ${kind}, after ${touched}`, async () => {
      for (const init of INITS) {
        const fresh = () => touch(new Response(make(), init));
        const told = fresh();
        const text = await fresh().text();
        const response = fresh();
        let content: string | Uint8Array | null | undefined;
        whileEnabled(() => {
          const brief = takeBrief(response);
          if (brief !== null) {
            assertEquals(told.status, 200);
            assertEquals([...told.headers], [[
              "content-type",
              brief.isJson ? "application/json" : "text/plain;charset=UTF-8",
            ]]);
            content = brief.text;
          } else {
            const full = readFull(response)!;
            assertEquals(
              plain([...new Headers(full.fields)]),
              plain([...told.headers]),
            );
            content = full.content;
            if (content !== undefined) useFull(response);
          }
        });
        if (content === undefined) {
          // A stream: nothing was touched.
          assertEquals(plain(await response.text()), plain(text));
        } else if (content === null) assertEquals(told.body, null);
        else {
          const bytes = typeof content === "string"
            ? new TextEncoder().encode(content)
            : content;
          assertEquals(new TextDecoder().decode(bytes), text);
          assert(response.bodyUsed);
          await assertRejects(() => response.text(), TypeError);
        }
      }
    });
  }
}

Deno.test("JSON is brief, and tells its type", () => {
  whileEnabled(() => {
    const brief = takeBrief(Response.json({ a: "ü" }));
    assertEquals(brief, { text: '{"a":"ü"}', isJson: true });
    assertEquals(takeBrief(Response.json(1, { status: 201 })), null);
  });
});

Deno.test("used bodies are not found", async () => {
  for (const make of [() => "text", () => bytesOf("bytes")]) {
    const response = new Response(make());
    await response.text();
    whileEnabled(() => {
      assertEquals(takeBrief(response), null);
      const content = readFull(response)?.content;
      assert(typeof content !== "string" && !(content instanceof Uint8Array));
    });
  }
});
