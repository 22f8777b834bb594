/**
 * What our client makes of a rude server: each request ends with its whole answer or with
 * an error that is documented, the right one wherever there is one.
 *
 * @module
 */

import {
  type ConnectOptions,
  HttpError,
  type HttpErrorCode,
  type HttpRequestInit,
  RequestError,
} from "../../../mod.ts";
import { bodyOf } from "../bodies.ts";
import { type Client, sleep } from "../orderly_clients.ts";
import { Violation } from "../peer.ts";
import { sizeOf } from "../requests.ts";
import {
  Asker,
  checkBody,
  checkHead,
  errorOf,
  longBody,
  settled,
  textOfStream,
} from "./asker.ts";

/** Short enough that answers that stall meet them. */
const OPTIONS: ConnectOptions = {
  authority: "rude",
  headTimeout: 2000,
  bodyTimeout: 2000,
  idleTimeout: 4000,
  writeTimeout: 2000,
  continueTimeout: 100,
};

const open = (client: Client, options: ConnectOptions = {}) =>
  Asker.open(client, { ...OPTIONS, ...options });

/** Sends a request and checks its whole answer. */
async function whole(
  asker: Asker,
  way: string,
  id: string,
  size: number,
  init: Partial<HttpRequestInit> = {},
): Promise<void> {
  const target = `/${way}/${id}/${size}`;
  using response = await asker.request(id, { target, ...init });
  const expected = { id, status: 200, body: bodyOf(id, size) };
  checkHead(response, expected);
  checkBody(await settled(`the body of ${id}`, response.text()), expected);
}

/** Ways that leave the connection open, and those that end it. */
const LASTING = ["trickle", "chunks", "interims"];
const ENDING = ["last", "untilClose", "idleClose"];

/** Whole answers, in strange ways; the last one ends the connection. */
export async function wholeAnswers(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await open(client);
  for (let i = random.integer(0, 8); i > 0; i--) {
    const size = sizeOf(random);
    await whole(asker, random.pick(LASTING), client.nextId(), size);
  }
  const way = random.pick(ENDING);
  await whole(asker, way, client.nextId(), sizeOf(random));
  await asker.closed(way);
}

/** Bytes behind a whole response: the next request must not take them for its answer. */
export async function surplus(client: Client): Promise<void> {
  await using asker = await open(client);
  await whole(asker, "surplus", client.nextId(), client.random.integer(0, 500));
  await asker.closed("bytes that nothing asked for");
  const error = await errorOf(
    "a request behind bytes that nothing asked for",
    asker.request(client.nextId(), { target: "/trickle/none/1" }),
  );
  if (!(error instanceof RequestError && error.retryable)) {
    throw new Violation(`behind bytes that nothing asked for: ${error}`);
  }
  // An idle connection would end as well, but later.
  checkCode("the connection", error.cause, ["unasked-response"]);
}

type Failure = readonly [way: string, ...codes: HttpErrorCode[]];

/** Answers that fail before their head is whole. */
const IN_HEAD: readonly Failure[] = [
  ["silent", "head-timeout"],
  ["stallInHead", "head-timeout"],
  ["halfHead", "unexpected-eof"],
  ["garbage"],
  ["unaskedUpgrade", "unasked-upgrade"],
  ["interimFlood", "too-many-interim"],
  ["headFlood", "headers-too-large", "too-many-headers"],
];

/** Answers that fail in their body. */
const IN_BODY: readonly Failure[] = [
  ["cut", "unexpected-eof"],
  ["cutInChunks", "unexpected-eof"],
  ["stallInBody", "body-timeout"],
  ["badChunk"],
];

function checkCode(what: string, error: unknown, codes: readonly string[]) {
  const right = error instanceof HttpError &&
    (codes.length === 0 || codes.includes(error.code));
  if (!right) throw new Violation(`${what} failed with ${error}`);
}

/** Good answers, then one that is refused, amid requests that were sent along. */
export async function refusing(client: Client): Promise<void> {
  const { random } = client;
  const pipeline = random.integer(1, 6);
  await using asker = await open(client, { pipeline });
  const before = Array.from(
    { length: random.integer(0, 4) },
    () => whole(asker, random.pick(LASTING), client.nextId(), sizeOf(random)),
  );
  const inHead = random.chance(0.5);
  const [way, ...codes] = random.pick(inHead ? IN_HEAD : IN_BODY);
  const id = client.nextId();
  const bad = (async () => {
    const asked = asker.request(id, { target: `/${way}/${id}/3000` });
    if (inHead) return await errorOf(way, asked);
    using response = await asked;
    checkHead(response, { id, status: 200, body: "" });
    const stream = random.chance(0.5);
    const body = stream ? textOfStream(response.body) : response.text();
    return await errorOf(way, settled(`the body of ${id}`, body));
  })();
  const behind = Array.from({ length: random.integer(0, 4) }, () => {
    const other = client.nextId();
    const asked = asker.request(other, { target: `/trickle/${other}/9` });
    return errorOf(`a request behind ${way}`, asked);
  });
  const [error, ...others] = await Promise.all([bad, ...behind, ...before]);
  checkCode(way, error, codes);
  for (const other of others.slice(0, behind.length)) {
    if (!(other instanceof RequestError && other.retryable)) {
      throw new Violation(`behind ${way}: ${other}`);
    }
  }
  await asker.closed(way);
}

/** Connections that are reset, with the request half sent. */
export async function resetting(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await open(client);
  const id = client.nextId();
  const way = random.pick(["reset", "resetInHead", "resetInBody"]);
  const run = async () => {
    using response = await asker.request(id, {
      ...{ method: "POST", target: `/${way}/${id}/9000` },
      body: longBody(random, 300_000),
    });
    checkHead(response, { id, status: 200, body: "" });
    await settled(`the body of ${id}`, response.text());
  };
  await errorOf(way, run());
  await asker.closed(way);
}

/** A final response amid the body of the request. */
export async function answeredEarly(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await open(client);
  const id = client.nextId();
  try {
    await whole(asker, "early", id, random.integer(0, 2000), {
      method: "POST",
      body: longBody(random, 3_000_000),
      ...random.chance(0.3) && { headers: { expect: "100-continue" } },
    });
  } catch (error) {
    // The reset that follows may overtake the response.
    if (error instanceof Violation) throw error;
  }
  await asker.closed("the request was not sent to its end");
}

/** A body that the server does not read. */
export async function unread(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await open(client);
  const id = client.nextId();
  const error = await errorOf(
    "a request that is not read",
    asker.request(id, {
      ...{ method: "POST", target: `/notReading/${id}/1` },
      body: longBody(random, 16_000_000),
    }),
  );
  if (!(error instanceof RequestError) || error.retryable) {
    throw new Violation(`a request that is not read: ${error}`);
  }
  await asker.closed("the request was not read");
}

/** A body without end: given up, cancelled, or aborted. */
export async function flooded(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await open(client);
  const id = client.nextId();
  const controller = new AbortController();
  const reason = new Error("aborted by the program");
  const response = await asker.request(id, {
    target: `/bodyFlood/${id}/0`,
    signal: controller.signal,
  });
  checkHead(response, { id, status: 200, body: "" });
  const reader = response.body!.getReader();
  await settled(`the body of ${id}`, reader.read());
  await sleep(random.integer(0, 20));
  switch (random.integer(0, 2)) {
    case 0:
      break;
    case 1:
      await settled(`the cancel of ${id}`, reader.cancel());
      break;
    default: {
      controller.abort(reason);
      const reading = (async () => {
        while (!(await reader.read()).done);
      })();
      await errorOf("an aborted body", settled("it", reading, reason));
    }
  }
  response.release();
  await asker.closed("a body without end");
}

/** An upgrade whose server leaves. */
export async function upgrading(client: Client): Promise<void> {
  const { random } = client;
  await using asker = await open(client);
  const id = client.nextId();
  const size = random.integer(0, 50_000);
  const target = `/upgrade/${id}/${size}`;
  using result = await asker.upgrade(id, {
    target,
    headers: { upgrade: "rude" },
  });
  const expected = { id, status: 101, body: bodyOf(id, size) };
  checkHead(result.response, expected);
  const { readable, writable } = result.duplex!;
  const writer = writable.getWriter();
  const body = new TextEncoder().encode(bodyOf(id, 200_000));
  const gone = (error: unknown) => {
    if (!(error instanceof Error)) throw error;
  };
  const sending = random.chance(0.5)
    ? writer.write(body).then(() => writer.close()).catch(gone)
    : writer.close().catch(gone);
  // A reset may take bytes that were sent before it.
  const reading = textOfStream(readable).catch(gone);
  const [text] = await settled(
    `the upgrade ${id}`,
    Promise.all([reading, sending]),
  );
  if (text !== undefined && !expected.body.startsWith(text)) {
    throw new Violation(`${id} got other bytes behind its upgrade`);
  }
}

/** Several requests, and the program closes or aborts the client while they wait. */
export async function closing(client: Client): Promise<void> {
  const { random } = client;
  const controller = new AbortController();
  const reason = new Error("closed by the program");
  const { signal } = controller;
  await using asker = await open(client, { pipeline: 3, signal });
  const runs = Array.from({ length: random.integer(1, 6) }, async () => {
    const id = client.nextId();
    const way = random.pick([...LASTING, "stallInBody", "silent"]);
    const target = `/${way}/${id}/900`;
    try {
      using response = await asker.request(id, { target });
      checkHead(response, { id, status: 200, body: "" });
      await settled(`the body of ${id}`, response.text(), reason);
    } catch (error) {
      if (error instanceof Violation) throw error;
    }
  });
  await sleep(random.integer(0, 30));
  if (random.chance(0.5)) controller.abort(reason);
  else asker.http.close();
  await Promise.all(runs);
  await asker.closed("by the program");
}
