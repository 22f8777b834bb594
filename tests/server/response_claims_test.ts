/**
 * Invalid uses of a response: late sends, arguments of other types, and a 2xx to CONNECT.
 */

import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Handler,
  type HttpResponse,
  Pools,
  prepareResponse,
  serveConnection,
} from "@pooled/http1";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { sanitized, turn } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

// ------------------------------------------------------------ late responses

sanitized("a kept response cannot answer another request", async () => {
  // Each on a new connection, so that no state of an earlier one is involved.
  for (let round = 0; round < 3; round++) {
    let kept: HttpResponse | null = null;
    let thrown: unknown = null;
    const pools = new Pools();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    using client = await RawClient.connect(
      (listener.addr as Deno.NetAddr).port,
    );
    const served = serveConnection(await accepted, (req, res) => {
      if (req.path === "/first") {
        res.send("first");
        kept = res;
        queueMicrotask(() => {
          try {
            kept!.send("the first's answer again");
          } catch (error) {
            thrown = error;
          }
        });
        return;
      }
      return turn().then(() => res.send("second"));
    }, { pools });
    await client.send(
      "GET /first HTTP/1.1\r\nHost: a\r\n\r\n" +
        "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    const answers = await client.rest();
    assert(answers.endsWith("second"), answers);
    assert(!answers.includes("again"), answers);
    assert(thrown instanceof TypeError, `${thrown}`);
    await served;
    listener.close();
  }
});

sanitized(
  "a kept response cannot be used inside a later handler",
  async () => {
    const kept: HttpResponse[] = [];
    await withServer((req, res) => {
      for (const old of kept) {
        assertThrows(() => old.send("x"), TypeError, "already sent");
        assertThrows(() => old.json(1), TypeError, "already sent");
        assertThrows(() => old.upgrade(), TypeError, "already sent");
        assert(old.sent);
      }
      kept.push(res);
      res.send(req.path);
    }, async ({ port, errors }) => {
      const answers = await answerTo(port, GET.repeat(5) + LAST_GET);
      assertEquals(answers.match(/200 OK/g)?.length, 6);
      assertEquals(errors, []);
    });
  },
);

// --------------------------------------------------- arguments of other types

sanitized(
  "a status of another type throws, even if it converts to one sent before",
  async () => {
    const wrong: unknown[] = [
      "204",
      "304",
      "200",
      [204],
      [200],
      { valueOf: () => 204 },
      null,
      true,
      NaN,
      204.5,
      99,
      600,
      1000,
      -1,
      150,
      104.5,
      105,
      199,
      0,
      "",
      new Number(204),
      204n,
    ];
    const thrown: string[] = [];
    await withServer((req, res) => {
      const index = Number(req.query);
      if (req.path === "/warm") return res.send(null, { status: index });
      const status = wrong[index] as number;
      for (
        const [name, send] of Object.entries({
          send: () => res.send("text", { status }),
          none: () => res.send(null, { status }),
          bytes: () => res.send(new Uint8Array(2), { status }),
          stream: () => res.send(new ReadableStream(), { status }),
          json: () => res.json({ a: 1 }, { status }),
          prepare: () => prepareResponse({ status, body: "text" }),
          prepareNone: () => prepareResponse({ status }),
        })
      ) {
        try {
          send();
        } catch (error) {
          if (
            error instanceof TypeError || error instanceof RangeError
          ) continue;
          thrown.push(`${name} threw ${error}`);
          continue;
        }
        thrown.push(`${name} took ${typeof status} ${String(status)}`);
      }
      if (!res.sent) res.send("checked");
    }, async ({ port }) => {
      const ask = (path: string) =>
        answerTo(
          port,
          `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
        );
      for (const status of [200, 204, 304]) {
        assertStringIncludes(await ask(`/warm?${status}`), `${status} `);
      }
      for (let i = 0; i < wrong.length; i++) {
        const answer = await ask(`/?${i}`);
        assert(answer.endsWith("checked"), answer);
      }
      assertEquals(thrown, []);
    });
  },
);

sanitized("a reason phrase that is not a string throws", async () => {
  const evil = { toString: () => "OK\r\nX: y\r\n\r\n" } as unknown as string;
  const thrown: string[] = [];
  await withServer((req, res) => {
    const upgrading = req.path === "/upgrade";
    for (
      const statusText of [
        evil,
        7 as unknown as string,
        ["a"] as unknown as string,
      ]
    ) {
      for (
        const send of [
          () => res.send("x", { statusText }),
          () => res.json(1, { statusText }),
          () => prepareResponse({ statusText }),
          ...upgrading ? [() => res.upgrade({ statusText })] : [],
        ]
      ) {
        try {
          send();
          thrown.push(`${send} took it`);
        } catch (error) {
          if (!(error instanceof TypeError)) thrown.push(`${send}: ${error}`);
        }
      }
    }
    if (!res.sent) res.send("checked");
  }, async ({ port }) => {
    for (const path of ["/", "/upgrade"]) {
      const answer = await answerTo(
        port,
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n` +
          "Upgrade: x\r\n\r\n",
      );
      assert(answer.endsWith("checked"), answer);
    }
    assertEquals(thrown, []);
  });
});

sanitized("upgrade() checks the type of its status", async () => {
  const thrown: unknown[] = [];
  await withServer((_req, res) => {
    for (const status of ["101", [101], "200", 101.5]) {
      try {
        res.upgrade({ status: status as number });
        thrown.push(`${status} was taken`);
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof RangeError)) {
          thrown.push(error);
        }
      }
    }
    if (!res.sent) res.send("checked");
  }, async ({ port }) => {
    const answer = await answerTo(
      port,
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n",
    );
    assert(answer.endsWith("checked"), answer);
    assertEquals(thrown, []);
  });
});

sanitized("interim responses: 100, 102, 103 and 104", async () => {
  await withServer((_req, res) => {
    for (const status of [102, 103, 104]) res.send(null, { status });
    res.send("done");
  }, async ({ port }) => {
    const answer = await answerTo(port, LAST_GET);
    for (const status of [102, 103, 104, 200]) {
      assertStringIncludes(answer, `HTTP/1.1 ${status} `);
    }
  });
});

// ------------------------------------------------------------------- CONNECT

const TUNNEL_ANSWERS: Record<string, Handler> = {
  "text": (_req, res) => res.send("hello"),
  "JSON": (_req, res) => res.json({ a: 1 }),
  "nothing": (_req, res) => res.send(),
  "bytes": (_req, res) => res.send(new Uint8Array(3), { status: 201 }),
  "a stream": (_req, res) => res.send(new ReadableStream()),
  "prepared": (_req, res) => res.send(prepareResponse({ body: "hello" })),
  "204": (_req, res) => res.send(null, { status: 204 }),
  "an async handler": async (_req, res) => {
    await turn();
    res.send("hello");
  },
};

for (const [name, handler] of Object.entries(TUNNEL_ANSWERS)) {
  sanitized(
    `a 2xx to CONNECT through send() (${name}) becomes a 501 and is not reported`,
    async () => {
      await withServer(handler, async ({ port, errors }) => {
        const answer = await answerTo(
          port,
          "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        );
        assertStringIncludes(answer, "HTTP/1.1 501 Not Implemented\r\n");
        assertStringIncludes(answer, "Connection: close\r\n");
        assertEquals(answer.match(/HTTP\/1\.1 /g)?.length, 1);
        assertEquals(errors, []);
      });
    },
  );
}

sanitized(
  "a response to CONNECT with a status of 300 or above is sent",
  async () => {
    await withServer(
      (_req, res) => res.send("no\n", { status: 403 }),
      async ({ port, errors }) => {
        const answer = await answerTo(
          port,
          "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        );
        assertStringIncludes(answer, "HTTP/1.1 403 ");
        assert(answer.endsWith("no\n"), answer);
        assertEquals(errors, []);
      },
    );
  },
);
