/**
 * Programs that fail at each point of an exchange, for each kind of request. The error
 * is reported once; the response is a 500, whole, or cut with the connection; the next
 * request is answered wherever the connection is left.
 */

import { assert, assertEquals } from "@std/assert";
import { type Handler, Pools, serve, type ServerStats } from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { FAILING, type Failing } from "../support/failing_programs.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { chunked, get, keep, post } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import { sanitized, within } from "../support/waiting.ts";

const BODY = "The body of a request, ".repeat(100);

/** The first requests, by what they are. */
const REQUESTS: Record<string, string> = {
  GET: get("/fail"),
  "HTTP/1.0": "GET /fail HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  HEAD: keep("HEAD", "/fail"),
  "POST with a length": post("/fail", BODY),
  "POST in chunks": chunked("/fail", "one", "two"),
};

/** What cannot even be looked at; streams of the runtime do not survive it. */
const UNSPEAKABLE = "a revoked proxy";

/** What is thrown. */
const ERRORS: Record<string, () => unknown> = {
  "an Error": () => new Error("injected"),
  undefined: () => undefined,
  [UNSPEAKABLE]: () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
};

/** How `onError` takes it. */
const REPORTERS: Record<string, () => void | Promise<void>> = {
  quiet: () => {},
  throwing: () => {
    throw null;
  },
  rejecting: () => Promise.reject(null),
};

interface Outcome {
  wire: string;
  reported: unknown[];
  stats: ServerStats;
}

/** Serves one connection with this handler. */
async function served(
  wire: string,
  handler: Handler,
  reporter: () => void | Promise<void>,
): Promise<Outcome> {
  const pools = new Pools();
  const conn = new MemoryConn([wire]);
  const reported: unknown[] = [];
  const server = serve(ReadableStream.from([conn]), handler, {
    pools,
    onError(error) {
      reported.push(error);
      return reporter();
    },
  });
  await within(server.finished, "the end of the server");
  await untilAtRest(pools);
  assert(conn.closed);
  return { wire: conn.wire, reported, stats: server.stats() };
}

/** Serves a request to which the program fails, and the next one. */
async function check(
  { consequence, inBody, handler }: Failing,
  method: string,
  error: unknown,
  reporter: () => void | Promise<void>,
): Promise<void> {
  let failures = 0;
  const handle = handler(() => {
    failures++;
    throw error;
  });
  const { wire, reported, stats } = await served(
    REQUESTS[method]! + get("/next"),
    (req, res, info) =>
      req.path === "/next" ? res.send("next") : handle(req, res, info),
    reporter,
  );
  const answers = answersIn(wire, {
    methods: [method],
    mayBeCut: consequence === "cut",
  }).filter(({ status }) => status >= 200);
  assertEquals([stats.connections, stats.bytesSent], [0, wire.length]);
  assertEquals(stats.refusals, {});
  // HEAD asks for no body, and an HTTP/1.0 client for no trailers.
  const spared = method === "HEAD" && inBody;
  const met = spared || failures === 0 ? "whole" : consequence;
  assert(spared || failures > 0 || method === "HTTP/1.0", "nothing failed");
  assertEquals(reported.length, spared || failures === 0 ? 0 : 1, "reports");
  if (reported.length > 0) {
    assert(Object.is(reported[0], error), "another error");
  }
  const [first, next] = answers;
  assertEquals(first!.status, met === "500" ? 500 : 200);
  if (met === "cut") {
    assertEquals(answers.length, 1);
    assert(method === "HTTP/1.0" || !first!.whole, "it was whole");
    return;
  }
  if (consequence === "whole" && method !== "HEAD") {
    assertEquals(first!.body, "whole");
  }
  // A stream to HTTP/1.0 ends with the connection.
  if (first!.framing === "close") return assertEquals(answers.length, 1);
  assertEquals(next?.body, "next");
  assertEquals(stats.requests, 2);
}

for (const consequence of ["500", "whole", "cut"] as const) {
  for (const [what, make] of Object.entries(ERRORS)) {
    for (const [manner, reporter] of Object.entries(REPORTERS)) {
      const programs = FAILING.filter((failing) =>
        failing.consequence === consequence &&
        !(failing.streams && what === UNSPEAKABLE)
      );
      if (programs.length === 0) continue;
      sanitized(
        `failing programs: ${consequence}, ${what}, onError is ${manner}`,
        () =>
          withoutUnhandled(async () => {
            const { error: print } = console;
            console.error = () => {};
            try {
              for (const failing of programs) {
                await Promise.all(
                  Object.keys(REQUESTS).map((method) =>
                    check(failing, method, make(), reporter).catch((cause) => {
                      throw new Error(`${failing.name}, ${method}`, { cause });
                    })
                  ),
                );
              }
            } finally {
              console.error = print;
            }
          }),
      );
    }
  }
}
