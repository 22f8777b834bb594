/**
 * Captures of real clients. Every file in `tests/fixtures/` is parsed whole, byte by
 * byte, split at every position and through the streams. The result is compared with
 * http-parser-js, an independent parser. It is far more lenient, but on traffic of real
 * clients both must agree.
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { HTTPParser } from "npm:http-parser-js@0.5.10";
import { cutAt, every, textOf } from "../support/bytes.ts";
import {
  type Outcome,
  parse,
  type Seen,
  stream,
  STREAMS,
} from "../support/parser_runs.ts";

const folder = new URL("../fixtures/", import.meta.url);
const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
  .filter((name) => name.endsWith(".http")).sort();

/** The properties of a request that both parsers report. */
type Told =
  & Pick<
    Seen,
    "method" | "target" | "version" | "lines" | "keepAlive" | "body"
  >
  & { trailers: [string, string][]; leavesHttp: boolean };

function ours(outcome: Outcome): Told[] {
  assertEquals(outcome.error, null);
  return outcome.requests.map((seen) => ({
    method: seen.method,
    target: seen.target,
    version: seen.version,
    lines: seen.lines,
    keepAlive: seen.keepAlive,
    body: seen.body,
    trailers: seen.trailers ?? [],
    leavesHttp: seen.upgrade !== null || seen.method === "CONNECT",
  }));
}

/** Converts the flat list of names and values of http-parser-js to pairs. */
function pairs(flat: readonly string[]): [string, string][] {
  const lines: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) lines.push([flat[i]!, flat[i + 1]!]);
  return lines;
}

function theirs(wire: Uint8Array): Told[] {
  HTTPParser.encoding = "latin1";
  const parser = new HTTPParser(HTTPParser.REQUEST);
  const told: Told[] = [];
  let whole = 0;
  parser[HTTPParser.kOnHeadersComplete] = (info) => {
    told.push({
      method: HTTPParser.methods[info.method]!,
      target: info.url,
      version: `${info.versionMajor}.${info.versionMinor}`,
      lines: pairs(info.headers),
      keepAlive: info.shouldKeepAlive,
      body: "",
      trailers: [],
      leavesHttp: info.upgrade,
    });
  };
  parser[HTTPParser.kOnBody] = (bytes, offset, length) => {
    told.at(-1)!.body += textOf(bytes.subarray(offset, offset + length));
  };
  parser[HTTPParser.kOnHeaders] = (trailers) => {
    told.at(-1)!.trailers = pairs(trailers);
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    whole++;
  };
  // http-parser-js stops after a request that may switch protocols. The loop resumes it:
  // the recorder never accepted a switch.
  for (let at = 0; at < wire.length;) {
    const consumed = parser.execute(Buffer.from(wire.subarray(at)));
    assert(typeof consumed === "number" && consumed > 0, String(consumed));
    at += consumed;
  }
  assertEquals(parser.finish(), undefined);
  assertEquals(whole, told.length);
  return told;
}

for (const name of names) {
  Deno.test(`${name} parses as in http-parser-js, however it is split`, async () => {
    const wire = Deno.readFileSync(new URL(name, folder));
    const whole = await parse(cutAt(wire, []));
    assertNotEquals(whole.requests.length, 0);
    assertEquals(ours(whole), theirs(wire));
    for (const hold of [false, true]) {
      assertEquals(
        await parse(cutAt(wire, every(1, wire)), { hold }),
        whole,
        "a byte at a time",
      );
    }
    for (const at of every(1, wire)) {
      assertEquals(
        await parse(cutAt(wire, [at]), { hold: at % 2 === 1 }),
        whole,
        `cut at ${at}`,
      );
    }
    for (const kind of STREAMS) {
      for (const size of [1, 61, wire.length]) {
        assertEquals(
          await stream(kind, cutAt(wire, every(size, wire))),
          whole,
          `${kind}, ${size} at a time`,
        );
      }
    }
  });
}

Deno.test("tunnel bytes are not part of the CONNECT request", async () => {
  const wire = Deno.readFileSync(new URL("curl-proxy-connect.http", folder));
  const text = textOf(wire);
  const head = text.indexOf("\r\n\r\n") + 4;
  assert(head < text.length, "the capture has no tunnel payload");
  const connect = await parse([wire.slice(0, head)]);
  const payload = await parse([wire.slice(head)]);
  assertEquals(connect.error, null);
  assertEquals(payload.error, null);
  const [request] = connect.requests;
  assertEquals(connect.requests.length, 1);
  assertEquals(request!.method, "CONNECT");
  assertEquals(request!.target, request!.values["host"]);
  assertEquals(request!.body, "");
  const both = await parse([wire.slice()]);
  assertEquals(both.requests, [...connect.requests, ...payload.requests]);
});

Deno.test("every recorded client has a fixture", () => {
  for (
    const client of [
      "curl",
      "wget",
      "wrk",
      "ab",
      "h2load",
      "chromium",
      "deno",
      "node",
      "undici",
      "python",
    ]
  ) {
    assert(
      names.some((name) => name.startsWith(`${client}-`)),
      `no fixture of ${client}`,
    );
  }
});
