/**
 * What our client does with a good server: each request gets its answer, whole, and the
 * connection stays open as long as the protocol allows.
 *
 * @module
 */

import {
  type HttpRequestBody,
  type HttpRequestInit,
  type ReceivedResponse,
  RequestError,
} from "../../../mod.ts";
import { bodyOf } from "../bodies.ts";
import { type Client, sleep } from "../orderly_clients.ts";
import { Violation } from "../peer.ts";
import type { Random } from "../random.ts";
import { anyRequest, type Planned, sizeOf } from "../requests.ts";
import {
  Asker,
  checkBody,
  checkHead,
  errorOf,
  longBody,
  settled,
  streamOf,
  textOfStream,
} from "./asker.ts";

const AUTHORITY = { authority: "soak" };
const encoder = new TextEncoder();

/** A GET of so many bytes. */
function download(client: Client, route: string, size: number): Planned {
  const id = client.nextId();
  return {
    ...{ id, status: 200, body: bodyOf(id, size), content: null },
    ...{ method: "GET", target: `/${route}/${id}/${size}`, lines: [] },
  };
}

/** A request that keeps the connection open: its handler reads the body. */
function lasting({ random, nextId }: Client): Planned {
  for (;;) {
    const plan = anyRequest(random, nextId());
    if (!plan.target.startsWith("/ignore")) return plan;
  }
}

/** The body of a request in one of the ways that a program may give it. */
function bodyInit(
  random: Random,
  { id, content }: Planned,
): Pick<HttpRequestInit, "trailers"> & {
  body: HttpRequestBody;
  lines: [string, string][];
} {
  if (content === null) return { body: null, lines: [] };
  switch (random.integer(0, 4)) {
    case 0:
      return { body: content, lines: [] };
    case 1:
      return { body: encoder.encode(content), lines: [] };
    case 2:
      return {
        body: streamOf(random.pieces(content, 6)),
        lines: [["Content-Length", `${content.length}`]],
      };
    case 3:
      return {
        body: streamOf(random.pieces(content, 6)),
        trailers: () => ({ "x-id": id }),
        lines: [],
      };
    default:
      return { body: streamOf(random.pieces(content, 6)), lines: [] };
  }
}

/** Reads the body of a response in one of the ways that there are. */
async function read(
  random: Random,
  response: ReceivedResponse,
  { id }: Planned,
): Promise<string> {
  const how = random.integer(0, 3);
  const reading = how === 0
    ? textOfStream(response.body)
    : how === 1
    ? response.toResponse().text()
    : response.text();
  const text = await settled(`the body of ${id}`, reading);
  // A response taken over by Fetch tells no trailers.
  const trailer = how === 1 ? null : response.trailers?.get("x-id") ?? null;
  if (trailer !== null && trailer !== id) {
    throw new Violation(`${id} got the trailers of ${trailer}`);
  }
  return text;
}

/** Sends a request, and checks its whole answer. */
async function exchange(
  asker: Asker,
  random: Random,
  plan: Planned,
  more: [string, string][] = [],
): Promise<void> {
  const { id, target } = plan;
  // Nothing is added to a HEAD but that its answer has no body.
  const isHead = plan.content === null && random.chance(0.1);
  const method = isHead ? "HEAD" : plan.method;
  const expected = isHead ? { ...plan, body: "" } : plan;
  if (random.chance(0.2) && more.length === 0) {
    const response = await asker.fetch(id, target, {
      ...{ method, headers: plan.lines },
      ...plan.content !== null && { body: plan.content },
    });
    checkHead(response, expected);
    const text = await settled(`the body of ${id}`, response.text());
    return checkBody(text, expected);
  }
  const { lines, ...body } = bodyInit(random, plan);
  const headers = [...plan.lines, ...lines, ...more];
  using response = await asker.request(id, {
    ...{ method, target, headers },
    ...body,
  });
  checkHead(response, expected);
  checkBody(await read(random, response, expected), expected);
}

/** One request after the other on one connection. */
export async function keepingAlive(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, AUTHORITY);
  for (let i = random.integer(1, 20); i > 0; i--) {
    await exchange(asker, random, lasting(client));
    const { state } = asker.http;
    if (state === "closing" || state === "closed") {
      throw new Violation(`the connection is ${state}, and need not be`);
    }
  }
  if (random.chance(0.5)) return;
  await exchange(asker, random, download(client, "text", 9), [
    ["Connection", "close"],
  ]);
  await asker.closed("after Connection: close");
}

/** Bursts of requests at once. */
export async function pipelining(client: Client): Promise<void> {
  const { random } = client;
  const pipeline = random.integer(1, 8);
  await using asker = await Asker.open(client, { ...AUTHORITY, pipeline });
  for (let bursts = random.integer(1, 4); bursts > 0; bursts--) {
    await Promise.all(Array.from(
      { length: random.integer(1, 16) },
      () => exchange(asker, random, lasting(client)),
    ));
    if (random.chance(0.3)) await sleep(random.integer(0, 50));
  }
}

/** A body that waits for 100 (Continue). */
export async function continuing(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, AUTHORITY);
  const id = client.nextId();
  const body = bodyOf(id, sizeOf(random) + 1);
  let continues = 0;
  using response = await asker.request(id, {
    ...{ method: "POST", target: `/echo/${id}`, body },
    headers: { expect: "100-continue" },
    onInterim: ({ status }) => {
      if (status === 100) continues++;
    },
  });
  const expected = { id, status: 200, body };
  checkHead(response, expected);
  checkBody(await settled(`the body of ${id}`, response.text()), expected);
  if (continues !== 1) throw new Violation(`${id} got ${continues} times 100`);
}

/** A response after a few interim ones. */
export async function hinted(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, AUTHORITY);
  const plan = download(client, "hints", random.integer(0, 32));
  const hints: (string | null)[] = [];
  using response = await asker.request(plan.id, {
    target: plan.target,
    onInterim: ({ headers }) => hints.push(headers.get("x-id")),
  });
  checkHead(response, plan);
  checkBody(await settled(`the body of ${plan.id}`, response.text()), plan);
  const wrong = hints.some((id) => id !== plan.id);
  if (wrong || hints.length !== plan.body.length) {
    throw new Violation(`${plan.id} got the hints ${hints}`);
  }
}

/** An upgrade to a protocol that echoes. */
export async function upgrading(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, AUTHORITY);
  const id = client.nextId();
  using result = await asker.upgrade(id, {
    target: `/upgrade/${id}`,
    headers: { upgrade: "echo" },
  });
  checkHead(result.response, { id, status: 101, body: "" });
  const writer = result.duplex!.writable.getWriter();
  const text = bodyOf(id, random.integer(1, 200_000));
  if (random.chance(0.2)) {
    // The program gives the connection up in the middle of an echo.
    writer.write(encoder.encode(text)).catch(() => {});
    writer.abort(new Error("given up")).catch(() => {});
    return await result.duplex!.readable.cancel().catch(() => {});
  }
  const sending = (async () => {
    for (const piece of random.pieces(text, 6)) {
      await writer.write(encoder.encode(piece));
    }
    await writer.close();
  })();
  const [echo] = await settled(
    `the echo of ${id}`,
    Promise.all([textOfStream(result.duplex!.readable), sending]),
  );
  checkBody(echo, { id, status: 101, body: text });
}

/** A signal aborts the second of a few requests, at any time. */
export async function aborting(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, { ...AUTHORITY, pipeline: 3 });
  const controller = new AbortController();
  const reason = new Error("aborted by the program");
  const run = async (plan: Planned, signal: AbortSignal | null) => {
    const { id, target } = plan;
    const own = signal === null ? undefined : reason;
    try {
      using response = await asker.request(
        id,
        { target, ...signal !== null && { signal } },
        own,
      );
      checkHead(response, plan);
      checkBody(
        await settled(`the body of ${id}`, response.text(), own),
        plan,
      );
    } catch (error) {
      if (error instanceof Violation || !controller.signal.aborted) throw error;
    }
  };
  const size = random.pick([10, 9000, 400_000]);
  const runs = [
    run(download(client, "later", 20), null),
    run(download(client, "stream", size), controller.signal),
    run(download(client, "text", 20), null),
  ];
  if (random.chance(0.7)) await sleep(random.integer(0, 12));
  controller.abort(reason);
  await Promise.all(runs);
}

/** Responses that are released unread; a long one costs the connection. */
export async function leaving(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, {
    ...AUTHORITY,
    maxDrain: 20_000,
  });
  for (let i = random.integer(1, 5); i > 0; i--) {
    const plan = download(client, "text", random.integer(0, 20_000));
    using response = await asker.request(plan.id, { target: plan.target });
    checkHead(response, plan);
  }
  const route = random.pick(["text", "stream"]);
  const id = client.nextId();
  const target = `/${route}/${id}/${random.integer(1_000_000, 4_000_000)}`;
  const response = await asker.request(id, { target });
  checkHead(response, { id, status: 200, body: "" });
  if (random.chance(0.5)) await response.body!.getReader().read();
  response.release();
  await asker.closed("a long body was left");
  const again = asker.request("after the end", { target: "/text/none/1" });
  const error = await errorOf("a request on a closed connection", again);
  if (!(error instanceof RequestError && error.retryable)) {
    throw new Violation(`a request on a closed connection got ${error}`);
  }
}

/** Some events of a stream without end, then a cancel. */
export async function listening(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, AUTHORITY);
  const id = client.nextId();
  using response = await asker.request(id, { target: `/events/${id}` });
  checkHead(response, { id, status: 200, body: "" });
  const reader = response.body!.getReader();
  const events = random.integer(1, 20);
  let expected = "";
  for (let i = 0; i < events; i++) expected += `id: ${i}\ndata: ${id}\n\n`;
  let text = "";
  while (text.length < expected.length) {
    const { value, done } = await settled(`events of ${id}`, reader.read());
    if (done) throw new Violation(`the events of ${id} have an end`);
    text += new TextDecoder().decode(value);
  }
  checkBody(text.slice(0, expected.length), {
    id,
    status: 200,
    body: expected,
  });
  await reader.cancel();
}

/** A response whose stream fails on the server. */
export async function brokenDownload(client: Client): Promise<void> {
  await using asker = await Asker.open(client, AUTHORITY);
  const plan = download(client, "break", client.random.integer(2, 20_000));
  using response = await asker.request(plan.id, { target: plan.target });
  checkHead(response, plan);
  const text = settled(`the body of ${plan.id}`, response.text());
  await errorOf(`the broken body of ${plan.id}`, text);
}

/** A request whose body fails in the middle. */
export async function brokenUpload(client: Client): Promise<void> {
  await using asker = await Asker.open(client, AUTHORITY);
  const id = client.nextId();
  const own = new Error("the stream failed");
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (client.random.chance(0.5)) await sleep(1);
      if (client.random.chance(0.3)) throw own;
      controller.enqueue(encoder.encode(bodyOf(id, 3000)));
    },
  }, { highWaterMark: 0 });
  const target = `/echo/${id}`;
  const error = await errorOf(
    `the broken request ${id}`,
    asker.request(id, { method: "POST", target, body }, own),
  );
  if (error !== own) throw new Violation(`${id} failed with ${error}`);
  await asker.closed("a request stayed incomplete");
}

/** A long body that the handler does not read. */
export async function answeredEarly(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await Asker.open(client, AUTHORITY);
  const id = client.nextId();
  const expected = { id, status: 200, body: bodyOf(id, 500) };
  try {
    using response = await asker.request(id, {
      ...{ method: "POST", target: `/ignore/${id}/500` },
      body: longBody(random, random.integer(0, 3_000_000)),
    });
    checkHead(response, expected);
    const text = await settled(`the body of ${id}`, response.text());
    checkBody(text, expected);
  } catch (error) {
    // The server closes with bytes unread, which may overtake its answer.
    if (error instanceof Violation) throw error;
  }
}
