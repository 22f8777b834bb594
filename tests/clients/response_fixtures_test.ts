/**
 * Captures of real servers. Every file in `tests/fixtures/responses/` is parsed whole,
 * byte by byte, split at every position and through the streams. The result is compared
 * with what Python's `http.client` found while it was recorded, and with llhttp.
 */

import { assert, assertEquals } from "@std/assert";
import index from "../fixtures/responses/index.json" with { type: "json" };
import {
  llhttpNativeResponses,
  llhttpWasmResponses,
} from "../fuzz/targets/response_parsers.ts";
import { readResponsesByParser } from "../fuzz/targets/ours.ts";
import type { Message } from "../fuzz/verdict.ts";
import { bytesOf, cutAt, digestOf, every } from "../support/bytes.ts";
import { STREAMS } from "../support/parser_runs.ts";
import {
  parseResponses,
  type ResponseOutcome,
  streamResponses,
} from "../support/response_runs.ts";

const folder = new URL("../fixtures/responses/", import.meta.url);

/** A response as the index has it. */
interface Told {
  /** The status, behind those of the interim responses that were skipped. */
  statuses: number[];
  reason: string;
  version: number;
  fields: string[][];
  length: number;
  sha256: string;
  /** Whether the body ended early. */
  broken: boolean;
}

interface Recording {
  server: string;
  sent: string[];
  methods: string[];
  responses: Told[];
}

const recordings = Object.entries(index as Record<string, Recording>);

/** What the index tells, of our outcome. A 100 is skipped there. */
function ours({ responses }: ResponseOutcome): Told[] {
  const told: Told[] = [];
  let interim: number[] = [];
  for (const response of responses) {
    if (response.status === 100) {
      interim.push(100);
      continue;
    }
    const body = typeof response.body === "string"
      ? bytesOf(response.body)
      : null;
    told.push({
      statuses: [...interim, response.status],
      reason: response.statusText,
      version: response.version === "1.1" ? 11 : 10,
      fields: response.lines,
      length: body?.length ?? -1,
      sha256: body === null ? "" : digestOf(body),
      broken: body === null,
    });
    interim = [];
  }
  return told;
}

/** Of a body that ends early, the parser tells nothing but that. */
function theirs(responses: Told[]): Told[] {
  return responses.map((told) =>
    told.broken ? { ...told, length: -1, sha256: "" } : told
  );
}

for (const [name, { methods, responses }] of recordings) {
  Deno.test(`${name} parses as in Python, however it is split`, async () => {
    const wire = Deno.readFileSync(new URL(name, folder));
    const whole = await parseResponses(cutAt(wire, []), { methods });
    assertEquals(ours(whole), theirs(responses));
    const broken = responses.some(({ broken }) => broken);
    assertEquals(whole.error?.code ?? null, broken ? "unexpected-eof" : null);
    for (const hold of [false, true]) {
      assertEquals(
        await parseResponses(cutAt(wire, every(1, wire)), { methods, hold }),
        whole,
        "a byte at a time",
      );
    }
    for (const at of every(1, wire)) {
      assertEquals(
        await parseResponses(cutAt(wire, [at]), {
          methods,
          hold: at % 2 === 1,
        }),
        whole,
        `cut at ${at}`,
      );
    }
    for (const kind of STREAMS) {
      for (const size of [1, 61, wire.length]) {
        assertEquals(
          await streamResponses(kind, cutAt(wire, every(size, wire)), {
            methods,
          }),
          whole,
          `${kind}, ${size} at a time`,
        );
      }
    }
  });
}

Deno.test("llhttp reads the same responses", async () => {
  const wasm = llhttpWasmResponses();
  for (const peer of [wasm, llhttpNativeResponses()]) {
    // The native one tells whether another may follow before it learns that a response
    // to HEAD has no body. After a switch of protocols the question is moot.
    const comparable = (message: Message) =>
      peer === wasm && !message.switched
        ? message
        : { ...message, keepAlive: null };
    for (const [name, { methods }] of recordings) {
      const wire = Deno.readFileSync(new URL(name, folder));
      const { messages } = await readResponsesByParser(methods, wire);
      assertEquals(
        peer.run(wire, methods)!.messages.map(comparable),
        messages.map(comparable),
        `${peer.name}: ${name}`,
      );
    }
  }
});

Deno.test("trailers are those that the servers were told to send", async () => {
  const expected: Record<string, [string, string][]> = {
    "nginx-trailers.http": [["X-Check", "abc"]],
    "node-trailers.http": [["X-Check", "abc"]],
    "ours-trailers.http": [["X-Check", "abc"], ["X-Sum", "7"]],
  };
  for (const [name, trailers] of Object.entries(expected)) {
    const wire = Deno.readFileSync(new URL(name, folder));
    const { responses } = await parseResponses([wire]);
    assertEquals(responses.map((seen) => seen.trailers), [trailers, trailers]);
  }
});

Deno.test("the recordings and the index are of one another", () => {
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".http")).sort();
  assertEquals(files, recordings.map(([name]) => name).sort());
});

Deno.test("every server was recorded, and what servers can send", () => {
  for (
    const server of [
      ...["nginx", "apache", "lighttpd", "caddy", "python"],
      ...["node", "deno", "bun", "ours"],
    ]
  ) {
    assert(
      recordings.some(([name]) => name.startsWith(`${server}-`)),
      `no recording of ${server}`,
    );
  }
  const statuses = new Set(
    recordings.flatMap(([, { responses }]) =>
      responses.flatMap(({ statuses }) => statuses)
    ),
  );
  for (
    const status of [
      ...[100, 101, 103, 200, 204, 206, 301, 302, 304],
      ...[400, 404, 405, 413, 416, 500, 501],
    ]
  ) assert(statuses.has(status), `no response of status ${status}`);
  const wires = recordings.map(([name]) =>
    new TextDecoder("latin1").decode(Deno.readFileSync(new URL(name, folder)))
  );
  for (
    const part of [
      /^content-encoding: gzip/im,
      /multipart\/byteranges/,
      /^transfer-encoding: chunked/im,
      /\r\n0\r\nX-Check: abc\r\n\r\n/,
      /set-cookie: [^]*\r\nset-cookie: /i,
      /^HTTP\/1\.0 200/,
      /^connection: keep-alive/im,
    ]
  ) assert(wires.some((wire) => part.test(wire)), `no response has ${part}`);
});
