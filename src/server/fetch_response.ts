/**
 * Sends a Fetch `Response`.
 *
 * A body of text or bytes is sent whole. Any other body is a stream; its first reads get
 * a few microtask turns to settle, so a body that is complete by then is sent whole as
 * well, with a Content-Length. The rest is streamed in chunks.
 *
 * A body that is sent whole gets its own length, whatever the response declares: an
 * application that changes a body often keeps the fields of the old one.
 *
 * @module
 */

import { FirstReads } from "../io/first_reads.ts";
import { lengthError } from "./prepared_response.ts";
import type {
  HttpResponse,
  HttpResponseInit,
  ServerResponse,
} from "./response.ts";
import {
  type Full,
  isDecoded,
  type Pair,
  readFull,
  takeBrief,
  useFull,
} from "./response_insides.ts";

const encoder = new TextEncoder();

/** Sends a response; at once, unless its body is a stream. */
export function respond(
  res: ServerResponse,
  response: Response,
  isHead: boolean,
): void | Promise<void> {
  if (!(response instanceof Response)) {
    throw new TypeError("the application gave no Response of this runtime");
  }
  const brief = takeBrief(response);
  if (brief !== null) return res.sendText(brief.text, brief.isJson);
  if (response.bodyUsed) {
    throw new TypeError("the body of the Response was already used");
  }
  if (response.status === 101) {
    throw new TypeError(
      "a Response cannot switch protocols, nor can that of Deno.upgradeWebSocket; " +
        "res.upgrade() of a native handler does",
    );
  }
  const { fields, content } = readFull(response) ?? readPublicly(response);
  const init = {
    status: response.status,
    statusText: response.statusText,
    headers: fieldsToSend(response, fields),
  };
  const isDeclared = valueOf(init.headers, "content-length") !== null;
  // A HEAD response declares the length of the GET body and may carry another body.
  const isPeek = isHead && isDeclared;
  if (content === undefined) {
    const body = response.body!;
    if (isPeek) return res.send(body, init);
    // The runtime changes its pairs in place, and the head is sent a few turns later.
    const headers = init.headers.map(([name, value]): Pair => [name, value]);
    return sendStream(res, body, { ...init, headers });
  }
  if (content !== null) useFull(response);
  // A 304 declares the length of the content that it has not (RFC 9110 §8.6).
  if (isDeclared && !isPeek && response.status !== 304) {
    init.headers = withoutLength(init.headers);
  }
  if (content === null || isPeek) return res.send(null, init);
  // Text would get a type of its own.
  const isTyped = valueOf(init.headers, "content-type") !== null;
  res.send(
    typeof content === "string" && !isTyped ? encoder.encode(content) : content,
    init,
  );
}

/** The same as `readFull`, on any runtime: every body is a stream. */
function readPublicly({ headers, body }: Response): Full {
  const fields: Pair[] = [];
  headers.forEach((value, name) => fields.push([name, value]));
  return { fields, content: body === null ? null : undefined };
}

/** The fields of a response, without those that describe an encoding already decoded. */
function fieldsToSend(response: Response, fields: readonly Pair[]) {
  const coding = valueOf(fields, "content-encoding");
  return coding === null || !isDecoded(response, coding)
    ? [...fields]
    : fields.filter(([name]) => !/^content-(?:encoding|length)$/i.test(name));
}

/** The fields without Content-Length: the body that is at hand has its own. */
function withoutLength(fields: Pair[]): Pair[] {
  return fields.filter(([name]) => !/^content-length$/i.test(name));
}

/** The value of the first field of this name in lower case, or `null`. */
function valueOf(fields: readonly Pair[], name: string): string | null {
  for (const [other, value] of fields) {
    if (other.length === name.length && other.toLowerCase() === name) {
      return value;
    }
  }
  return null;
}

async function sendStream(
  res: HttpResponse,
  body: ReadableStream<Uint8Array>,
  init: HttpResponseInit & { headers: Pair[] },
): Promise<void> {
  const { headers } = init;
  const length = valueOf(headers, "content-length");
  const declared = length === null ? Infinity : Number(length);
  const reads = new FirstReads(body);
  try {
    const whole = await reads.whole();
    if (whole !== null) {
      if (length !== null) init.headers = withoutLength(headers);
      return res.send(whole, init);
    }
    if (reads.size > declared) throw lengthError(declared, reads.size);
    res.send(reads.stream(), init);
  } catch (error) {
    // The response cannot be sent, so its stream must stop producing.
    reads.cancel(error);
    throw error;
  }
}
