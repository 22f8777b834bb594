/**
 * Response splitting: CR, LF, NUL and characters that become one of them when they are cut
 * to a byte, in each part of a response that a program gives and by each way to send it.
 * Exactly one response comes, without a field of the payload.
 */

import { assert, assertEquals } from "@std/assert";
import {
  fetchHandler,
  type Handler,
  type HttpResponse,
  prepareResponse,
} from "@pooled/http1";
import { exchange, rawExchange } from "../support/exchange.ts";
import { LAST_GET, UPGRADE } from "../support/requests.ts";
import { valuesOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";

const INJECTED = "X-Injected: 1";

/** `[source, payload]`: what is put into a name, a value and a reason phrase. */
const PAYLOADS: [string, string][] = [
  ["CVE-2026-66753, CRLF", `a\r\n${INJECTED}`],
  [
    "CVE-2026-66753, a whole response",
    `a\r\n\r\nHTTP/1.1 200 OK\r\n${INJECTED}\r\n\r\n`,
  ],
  ["CVE-2026-66753, LF", `a\n${INJECTED}`],
  ["CVE-2026-66753, CR", `a\r${INJECTED}`],
  ["CVE-2026-66753, CRLF at the start", `\r\n${INJECTED}`],
  ["CVE-2026-66753, CRLF at the end", "a\r\n"],
  ["RFC 9110 §5.5, NUL", `a\0${INJECTED}`],
  ["RFC 9110 §5.5, a folded line", `a\r\n ${INJECTED}`],
  ["RFC 9110 §5.5, vertical tab", `a\x0b${INJECTED}`],
  ["RFC 9110 §5.5, DEL", `a\x7f${INJECTED}`],
  // U+010D and U+010A, U+560D and U+560A: their low bytes are CR and LF.
  ["CVE-2016-2216, cut to CR and LF", `a\u010d\u010a${INJECTED}`],
  ["CVE-2016-2216, cut to CR and LF", `a\u560d\u560a${INJECTED}`],
  ["CVE-2016-2216, cut to NUL", `a\u0100${INJECTED}`],
  ["RFC 9110 §5.5, a line separator", `a\u2028${INJECTED}`],
  ["RFC 9110 §5.5, half a surrogate pair", `a\ud80d${INJECTED}`],
];

/** Each way to send fields. */
const WAYS: Record<string, (res: HttpResponse, headers: HeadersInit) => void> =
  {
    text: (res, headers) => res.send("a", { headers }),
    bytes: (res, headers) => res.send(new Uint8Array(1), { headers }),
    stream: (res, headers) => res.send(streamOf(["a"]), { headers }),
    nothing: (res, headers) => res.send(null, { headers, status: 204 }),
    interim: (res, headers) => res.send(null, { headers, status: 103 }),
    json: (res, headers) => res.json(1, { headers }),
    prepared: (res, headers) => res.send(prepareResponse({ headers })),
    upgrade: (res, headers) => void res.upgrade({ headers }),
  };

/** Sends what a handler sends, and asserts that it is one 500, or that nothing was injected. */
async function oneResponse(
  what: string,
  handler: Handler,
  request = LAST_GET,
): Promise<void> {
  const { answers, wire, errors } = await exchange(handler, request);
  assert(!/injected/i.test(wire), what);
  assertEquals(answers.map(({ status }) => status), [500], what);
  assertEquals(errors.length, 1, what);
  assert(errors[0] instanceof TypeError, what);
}

const LAST_UPGRADE = UPGRADE.replace("keep-alive, ", "close, ");

for (const [way, send] of Object.entries(WAYS)) {
  test(`nothing splits a response by its fields: ${way}`, async () => {
    const request = way === "upgrade" ? LAST_UPGRADE : LAST_GET;
    for (const [source, payload] of PAYLOADS) {
      const what = `${source}: ${JSON.stringify(payload)}`;
      await oneResponse(
        `value, ${what}`,
        (_req, res) => send(res, { "x-a": payload }),
        request,
      );
      await oneResponse(
        `name, ${what}`,
        (_req, res) => send(res, [[payload, "b"]]),
        request,
      );
    }
  });
}

test("CVE-2016-5325: nothing splits a response by its reason phrase", async () => {
  for (const [source, payload] of PAYLOADS) {
    const what = `${source}: ${JSON.stringify(payload)}`;
    const init = { statusText: payload };
    await oneResponse(what, (_req, res) => res.send("a", init));
    await oneResponse(what, (_req, res) => res.send(streamOf(["a"]), init));
    await oneResponse(what, (_req, res) => res.json(1, init));
    await oneResponse(what, (_req, res) => res.send(prepareResponse(init)));
    await oneResponse(
      what,
      (_req, res) => void res.upgrade(init),
      LAST_UPGRADE,
    );
  }
});

test("RFC 9112 §7.1.2: nothing splits a response by its trailers", async () => {
  for (const [source, payload] of PAYLOADS) {
    const what = `${source}: ${JSON.stringify(payload)}`;
    for (
      const trailers of [{ "x-a": payload }, [[payload, "b"]]] as HeadersInit[]
    ) {
      for (const body of ["text", streamOf(["te", "xt"])]) {
        const { head, body: wire, errors } = await rawExchange((_req, res) =>
          res.send(body, { trailers: () => trailers })
        );
        assert(!/injected/i.test(head + wire), what);
        // The last chunk does not come, so the client sees that the response is cut.
        assert(!wire.includes("\r\n0\r\n"), what);
        assertEquals(errors.length, 1, what);
      }
    }
  }
});

test("nothing splits a response of a Fetch application", async () => {
  for (const [source, payload] of PAYLOADS) {
    const what = `${source}: ${JSON.stringify(payload)}`;
    const responses: Record<string, () => Response> = {
      value: () => new Response("a", { headers: { "x-a": payload } }),
      name: () => new Response("a", { headers: [[payload, "b"]] }),
      statusText: () => new Response("a", { statusText: payload }),
      // Objects that pass for a Response and check nothing.
      "own statusText": () =>
        Object.defineProperty(new Response("a"), "statusText", {
          value: payload,
        }),
      "own headers": () =>
        Object.defineProperty(new Response("a"), "headers", {
          value: new Map([["x-a", payload]]),
        }),
    };
    for (const [part, respond] of Object.entries(responses)) {
      const { answers, wire } = await exchange(fetchHandler(() => respond()));
      assertEquals(answers.length, 1, `${part}, ${what}`);
      assertEquals(valuesOf(answers[0]!, "x-injected"), [], what);
      const head = wire.slice(0, wire.indexOf("\r\n\r\n"));
      assert(!/^x-injected/im.test(head), `${part}, ${what}`);
    }
  }
});

test("CVE-2022-41915: fields are checked as they are sent, whatever iterates them", async () => {
  const payload = `a\r\n${INJECTED}`;
  /** Text that is good when it is asked for first, and a payload after that. */
  const changing = (): string => {
    let asked = 0;
    return { toString: () => asked++ === 0 ? "good" : payload } as never;
  };
  const inits: Record<string, () => HeadersInit> = {
    "a value that changes": () => [["x-a", changing()]],
    "a name that changes": () => [[changing(), "b"]],
    "a value that changes, in a record": () => ({ "x-a": changing() }),
    "a generator": () =>
      (function* () {
        yield ["x-a", changing()];
      })() as never,
    "pairs whose getters change": () => {
      let asked = 0;
      const pair = ["x-a", "b"];
      Object.defineProperty(pair, 1, {
        get: () => asked++ === 0 ? "good" : payload,
      });
      return [pair as [string, string]];
    },
  };
  for (const [what, init] of Object.entries(inits)) {
    for (const [way, send] of Object.entries(WAYS)) {
      if (way === "upgrade") continue;
      const { answers, wire, errors } = await exchange((_req, res) => {
        send(res, init());
        if (way === "interim") res.send("a");
      });
      assert(!/injected/i.test(wire), `${what}, ${way}`);
      assertEquals(
        answers.length,
        way === "interim" ? 2 : 1,
        `${what}, ${way}`,
      );
      assert(wire.includes("good"), `${what}, ${way}`);
      assertEquals(errors, [], `${what}, ${way}`);
    }
  }
});

test("CVE-2023-38709: fields of a program frame no response but by its own length", async () => {
  const attempts: HeadersInit[] = [
    { "content-length": "0, 1" },
    { "content-length": "-1" },
    { "content-length": "+1" },
    { "content-length": "0x1" },
    { "content-length": "1\r\n" },
    [["content-length", "1"], ["Content-Length", "2"]],
    { "transfer-encoding": "identity" },
    { "transfer-encoding": "chunked, chunked" },
    { "transfer-encoding": "\x0bchunked" },
    { "Transfer-Encoding ": "chunked" },
    { "content-length ": "1" },
  ];
  for (const headers of attempts) {
    await oneResponse(
      JSON.stringify(headers),
      (_req, res) => res.send("a", { headers }),
    );
  }
});
