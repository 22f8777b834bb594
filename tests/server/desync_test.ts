/**
 * Desynchronization of a connection: early responses, Expect, Upgrade and CONNECT with
 * bytes behind them. A byte of a body that nobody read never becomes a request, and a
 * connection whose state is unclear ends.
 */

import { assertEquals } from "@std/assert";
import type { Handler, ServeOptions } from "@pooled/http1";
import { RawClient } from "../support/raw_client.ts";
import { answersIn, fieldOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const SMUGGLED = "GET /admin HTTP/1.1\r\nHost: b\r\n\r\n";
const NEXT = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const BROWSER = "Browser-Powered Desync Attacks";
const ENDGAME = "HTTP/1.1 must die: the desync endgame";

/** The head of a POST. */
function post(...lines: string[]): string {
  return ["POST / HTTP/1.1", "Host: a", ...lines, "", ""].join("\r\n");
}

const SIZED = post(`Content-Length: ${SMUGGLED.length}`);
const CHUNKED = post("Transfer-Encoding: chunked");
const CHUNKS = `20\r\n${SMUGGLED}\r\n0\r\n\r\n`;
const EXPECT = "Expect: 100-continue";

/** Ways to answer a request without reading its body to the end. */
const EARLY: Record<string, Handler> = {
  "at once": (_req, res) => res.send("early"),
  "a little later": async (_req, res) => {
    await settle();
    res.send("early");
  },
  "with a stream": (_req, res) => res.send(streamOf(["ea", "rly"])),
  "with an error": (_req, res) => res.send("early", { status: 403 }),
  "after it cancelled the body": async (req, res) => {
    await req.body?.cancel();
    res.send("early");
  },
  "after it released the request": (req, res) => {
    req.release();
    res.send("early");
  },
};

/** One conversation: parts, each sent when `until` has come, and what becomes of it. */
interface Row {
  source: string;
  title: string;
  /** A part is sent once the response before it has begun. */
  parts: string[];
  /** The targets that handlers get. */
  targets: string[];
  /** How many final responses come. */
  responses: number;
  options?: ServeOptions;
}

const ROWS: Row[] = [
  {
    source: `${BROWSER}, CL.0`,
    title: "a body that is a request comes with its head",
    parts: [SIZED + SMUGGLED + LAST],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: `${BROWSER}, CL.0`,
    title: "a body that is a request comes after the response",
    parts: [SIZED, SMUGGLED + LAST],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: `${BROWSER}, pause-based desync`,
    title: "half of the body comes after the response",
    parts: [SIZED + SMUGGLED.slice(0, 9), SMUGGLED.slice(9) + LAST],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: `${ENDGAME}, 0.CL`,
    title: "the request of another client comes in the place of the body",
    parts: [post(`Content-Length: ${NEXT.length}`), NEXT + LAST],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: "RFC 9112 §9.3",
    title: "a body too long to be thrown away",
    parts: [
      post("Content-Length: 1000") + SMUGGLED,
      SMUGGLED.repeat(40) + LAST,
    ],
    targets: ["/"],
    responses: 1,
    options: { maxDrain: 999 },
  },
  {
    source: "RFC 9112 §9.3",
    title: "no body may be thrown away",
    parts: [SIZED + SMUGGLED, LAST],
    targets: ["/"],
    responses: 1,
    options: { maxDrain: 0 },
  },
  {
    source: "RFC 9112 §9.3",
    title: "chunks that come with their head",
    parts: [CHUNKED + CHUNKS + LAST],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: "CVE-2025-30346",
    title: "chunks that are malformed behind the first",
    parts: [`${CHUNKED}20\r\n${SMUGGLED}\r\nx\r\n${SMUGGLED}`, LAST],
    targets: ["/"],
    responses: 1,
  },
  {
    source: `${ENDGAME}, Expect`,
    title: "a client that waits for 100 gets a response, and sends the body",
    parts: [post(EXPECT, "Content-Length: 32"), SMUGGLED + LAST],
    targets: ["/"],
    responses: 1,
  },
  {
    source: `${ENDGAME}, Expect`,
    title: "a client that waits for 100 gets a response, and sends chunks",
    parts: [post(EXPECT, "Transfer-Encoding: chunked"), CHUNKS + LAST],
    targets: ["/"],
    responses: 1,
  },
  {
    source: `${ENDGAME}, Expect`,
    title: "a client that waits for 100 gets a response, and sends a request",
    parts: [post(EXPECT, "Content-Length: 32"), NEXT + LAST],
    targets: ["/"],
    responses: 1,
  },
  {
    source: `${ENDGAME}, Expect`,
    title: "a client that expects 100 and sends the body at once",
    parts: [post(EXPECT, "Content-Length: 32") + SMUGGLED + LAST],
    targets: ["/"],
    responses: 1,
  },
  {
    source: `${ENDGAME}, Expect`,
    title: "Expect with a length of 0",
    parts: [post(EXPECT, "Content-Length: 0") + LAST],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: `${ENDGAME}, Expect`,
    title: "an Expect of another value with a body after the response",
    parts: [
      post("Expect: y 100-continue", "Content-Length: 32"),
      SMUGGLED + LAST,
    ],
    targets: ["/", "/last"],
    responses: 2,
  },
  {
    source: "CVE-2025-30346",
    title: "a malformed request behind a good one, and one more",
    parts: [`${NEXT}GET / HTTP/1.1\r\nHost : a\r\n\r\n${SMUGGLED}`, LAST],
    targets: ["/next"],
    responses: 2,
  },
  {
    source: "CVE-2026-58055",
    title: "an Upgrade with a body that nobody accepts",
    parts: [
      post("Connection: upgrade", "Upgrade: h2c", "Content-Length: 32"),
      SMUGGLED + LAST,
    ],
    targets: ["/", "/last"],
    responses: 2,
  },
];

for (const { source, title, parts, targets, responses, options } of ROWS) {
  test(`${source}: ${title}`, async () => {
    for (const [how, answer] of Object.entries(EARLY)) {
      const got: string[] = [];
      await withServer((req, res, info) => {
        got.push(req.target);
        return answer(req, res, info);
      }, async ({ port, errors }) => {
        using client = await RawClient.connect(port);
        for (const [i, part] of parts.entries()) {
          if (i > 0) await client.until("\r\n\r\n");
          // The server may have closed on what comes late.
          await client.send(part).catch(() => {});
        }
        const answers = answersIn(await client.rest())
          .filter(({ status }) => status >= 200);
        assertEquals(answers.length, responses, how);
        assertEquals(fieldOf(answers.at(-1)!, "connection"), "close", how);
        assertEquals(got, targets, how);
        assertEquals(errors, [], how);
      }, options);
    }
  });
}

test("RFC 9110 §10.1.1: who is told to continue sends a body, and no request", async () => {
  const got: string[] = [];
  await withServer(async (req, res) => {
    const { target } = req;
    got.push(target, await req.text());
    res.send("read");
  }, async ({ port }) => {
    for (
      const [framing, body] of [
        ["Content-Length: 32", SMUGGLED],
        ["Transfer-Encoding: chunked", CHUNKS],
      ] as const
    ) {
      for (
        const expect of ["Expect: 100-continue", "eXPECT:\t100-CONTINUE \t"]
      ) {
        got.length = 0;
        using client = await RawClient.connect(port);
        await client.send(post(expect, framing));
        await client.until("100 Continue\r\n\r\n");
        await client.send(body + LAST);
        const statuses = answersIn(await client.rest()).map((a) => a.status);
        assertEquals(statuses, [100, 200, 200]);
        assertEquals(got, ["/", SMUGGLED, "/last", ""]);
      }
    }
  });
});

test("CVE-2026-2833: bytes behind an Upgrade are no requests once it was accepted", async () => {
  const got: string[] = [];
  await withServer(async (req, res) => {
    got.push(req.target);
    const { readable, writable } = res.upgrade();
    await readable.pipeTo(writable);
  }, async ({ port, errors }) => {
    for (
      const head of [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
      ]
    ) {
      got.length = 0;
      using client = await RawClient.connect(port);
      await client.send(head + SMUGGLED);
      await client.until(SMUGGLED);
      await client.send(NEXT);
      await (client.conn as Deno.TcpConn).closeWrite();
      const wire = await client.rest();
      // What comes back is what was sent, and no response to it.
      assertEquals(
        wire.split("\r\n\r\n").slice(1).join("\r\n\r\n"),
        SMUGGLED + NEXT,
      );
      assertEquals(got.length, 1);
    }
    assertEquals(errors, []);
  });
});

test("RFC 9110 §9.3.6: bytes behind a CONNECT that is refused are no requests", async () => {
  for (const status of [200, 403, 502]) {
    const got: string[] = [];
    await withServer((req, res) => {
      got.push(req.target);
      res.send("no", { status });
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + SMUGGLED);
      const answers = answersIn(await client.rest());
      assertEquals(answers.map((a) => a.status), [
        status === 200 ? 501 : status,
      ]);
      assertEquals(fieldOf(answers[0]!, "connection"), "close");
      assertEquals(got, ["a:1"]);
    });
  }
});

test("RFC 9112 §6.3: a response to HEAD and those without content have no body", async () => {
  const statuses = [200, 204, 304, 205];
  await withServer((req, res) => {
    const status = Number(req.path.slice(1));
    if (status === 200 || req.method === "GET") res.send("get");
    else res.send(null, { status });
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(
      statuses.map((s) => `HEAD /${s} HTTP/1.1\r\nHost: a\r\n\r\n`).join("") +
        LAST,
    );
    const answers = answersIn(await client.rest(), {
      methods: statuses.map(() => "HEAD"),
    });
    assertEquals(answers.map((a) => a.status), [...statuses, 200]);
    assertEquals(answers.at(-1)!.body, "get");
  });
});
