/**
 * The Fetch `Request` that an application gets: made of the pooled request as it is
 * looked at.
 *
 * Most applications ask for `url`, `method` and a few fields. Building the runtime's own
 * `Request` for that costs more than the rest of the exchange, so these objects answer
 * the common questions themselves and build the real one for everything else. Their
 * prototype chain ends in `Request.prototype` and `Headers.prototype`, whose methods look
 * for the state of a real object behind symbols; getters under the same symbols, found by
 * reflection, build the real object when a method of the runtime asks for one.
 *
 * @module
 */

import type { HttpHeaders } from "../message/headers.ts";
import { Machine } from "../message/machine.ts";
import { Pools } from "../message/pools.ts";
import type { PooledRequest, RequestView } from "../message/request.ts";
import {
  isFetchable,
  requestForApp,
  requestToFetch,
} from "../message/request_to_fetch.ts";
import { METHODS, OTHER_METHOD } from "../wire/names.ts";

/** A name that `Headers` does not refuse. */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** A Host that a URL has unchanged: no port by default, no number that is an address. */
const PLAIN_HOST = /^[a-z][a-z\d-]*(?:\.[a-z][a-z\d-]*)*(?::\d{4})?$/;
/** A target that a URL has unchanged: no dot segments, nothing to be encoded. */
const PLAIN_TARGET =
  /^\/(?!\.)(?:[\w\-~!$&()*+,;=:@?]|\/(?!\.|%)|[^/]\.|%(?!2e)[\da-f]{2})*$/i;

/** The fetchable ones of the methods that have a number. */
const FETCHABLE: readonly boolean[] = METHODS.map(isFetchable);

/** The origin of the last request, which is mostly that of the next one. */
const last = { host: "", secure: false, origin: "" };

/** The origin of the target URI; `null` when the Host makes no URL. */
function originOf(host: string, secure: boolean): string | null {
  if (host === last.host && secure === last.secure) return last.origin;
  const scheme = secure ? "https" : "http";
  let origin = `${scheme}://${host}`;
  if (!PLAIN_HOST.test(host)) {
    if (!URL.canParse(origin)) return null;
    origin = new URL(origin).origin;
  }
  last.host = host;
  last.secure = secure;
  return last.origin = origin;
}

/**
 * The request for an application, or the status that answers it instead: 501 for a method
 * that Fetch lacks or rewrites, 421 for a scheme other than the connection's
 * (RFC 9110 §7.4), 400 for a target that is no URL.
 */
export function appRequest(
  source: PooledRequest,
  secure: boolean,
): Request | 400 | 421 | 501 {
  const { line } = source;
  if (line.method === OTHER_METHOD || line.absolute) {
    return requestForApp(source, secure);
  }
  if (!FETCHABLE[line.method]) return 501;
  const origin = originOf(source.headers.get("host") ?? "localhost", secure);
  if (origin === null) return 400;
  return new AppRequest(source, secure, origin) as unknown as Request;
}

/** What is left of a request when its memory serves others. */
interface Kept {
  head: Uint8Array;
  fieldsStart: number;
}

class AppRequest implements RequestView {
  readonly method: string;
  readonly #secure: boolean;
  readonly #origin: string;
  /** Whether the application may read a body: a GET or HEAD has none in Fetch. */
  readonly #hasBody: boolean;
  /** The pooled request, until its release. */
  #source: PooledRequest | null;
  #kept: Kept | null = null;
  #url: string | null = null;
  #headers: AppHeaders | null = null;
  #signal: AbortSignal | null = null;
  #used = false;
  #real: Request | null = null;

  constructor(source: PooledRequest, secure: boolean, origin: string) {
    const { method } = source;
    this.method = method;
    this.#source = source;
    this.#secure = secure;
    this.#origin = origin;
    this.#hasBody = source.framing.hasBody && method !== "GET" &&
      method !== "HEAD";
    source.view = this;
  }

  /** The pooled request is about to be released: keeps what may still be asked for. */
  detach(): void {
    const source = this.#source!;
    this.#source = null;
    if (this.#real !== null) return;
    this.#used = source.bodyUsed;
    this.#kept = { head: source.copyHead(), fieldsStart: source.fieldsStart };
  }

  get url(): string {
    return this.#url ??= this.#findUrl();
  }

  #findUrl(): string {
    if (this.#source === null) return this.real().url;
    const { target } = this.#source;
    if (!target.startsWith("/")) return `${this.#origin}/`;
    const url = this.#origin + target;
    return PLAIN_TARGET.test(target) ? url : new URL(url).href;
  }

  get headers(): Headers {
    return (this.#headers ??= new AppHeaders(this)) as unknown as Headers;
  }

  get signal(): AbortSignal {
    return this.#signal ??= this.#source?.signal ??
      new AbortController().signal;
  }

  get bodyUsed(): boolean {
    if (this.#real !== null) return this.#real.bodyUsed;
    return this.#hasBody && (this.#source?.bodyUsed ?? this.#used);
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#hasBody ? this.real().body : null;
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const source = this.#readable();
    return source === null ? this.real().bytes() : source.fetchBytes();
  }

  text(): Promise<string> {
    const source = this.#readable();
    return source === null
      ? this.real().text()
      : source.fetchBytes().then(decode);
  }

  json(): Promise<unknown> {
    const source = this.#readable();
    return source === null
      ? this.real().json()
      : source.fetchBytes().then((bytes) => JSON.parse(decode(bytes)));
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    const source = this.#readable();
    return source === null
      ? this.real().arrayBuffer()
      : source.fetchBytes().then(({ buffer }) => buffer);
  }

  /** The pooled request, where its body can be read without a stream. */
  #readable(): PooledRequest | null {
    return this.#real === null && this.#hasBody ? this.#source : null;
  }

  /** The fields, while no real `Request` has a copy of them. */
  get fields(): HttpHeaders | null {
    return this.#real === null && this.#source !== null
      ? this.#source.headers
      : null;
  }

  /** The runtime's own `Request`. From here on it answers everything. */
  real(): Request {
    return this.#real ??= this.#makeReal();
  }

  #makeReal(): Request {
    const source = this.#source;
    if (source === null) return this.#restore(this.#kept!);
    if (this.bodyUsed) return this.#makeUsed(source);
    return requestToFetch(source, this.#secure, this.#hasBody, this.signal);
  }

  /** Reads the head again that was kept. Its body went with the pooled request. */
  #restore({ head, fieldsStart }: Kept): Request {
    const machine = new Machine({
      pools: new Pools(),
      maxRequestLine: fieldsStart,
      maxHeaderBytes: head.length - fieldsStart,
      maxHeaders: head.length,
    });
    machine.push(head);
    const source = machine.next()!;
    try {
      return this.#hasBody
        ? this.#makeUsed(source)
        : requestToFetch(source, this.#secure, false, this.signal);
    } finally {
      source.release();
      machine.close(undefined);
    }
  }

  /** A real request whose body was used. */
  #makeUsed(source: PooledRequest): Request {
    const bodyless = requestToFetch(source, this.#secure, false, this.signal);
    const request = new Request(bodyless, { body: "used" });
    request.text().catch(() => {});
    return request;
  }
}

const decoder = new TextDecoder();

function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The `headers` of such a request. */
class AppHeaders {
  readonly #request: AppRequest;

  constructor(request: AppRequest) {
    this.#request = request;
  }

  get(name: string): string | null {
    const fields = this.#request.fields;
    return fields !== null && isName(name)
      ? fields.get(name)
      : this.real().get(name);
  }

  has(name: string): boolean {
    const fields = this.#request.fields;
    return fields !== null && isName(name)
      ? fields.has(name)
      : this.real().has(name);
  }

  real(): Headers {
    return this.#request.real().headers;
  }
}

function isName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name);
}

/** Makes the objects of `own` pass for those of the runtime's class of `sample`. */
function pass<T extends object>(
  own: { prototype: { real(): T } },
  sample: T,
): void {
  const { prototype } = own;
  for (const symbol of Object.getOwnPropertySymbols(sample)) {
    Object.defineProperty(prototype, symbol, {
      get(this: { real(): T }) {
        return Reflect.get(this.real(), symbol);
      },
      set(this: { real(): T }, value: unknown) {
        Reflect.set(this.real(), symbol, value);
      },
    });
  }
  Object.defineProperty(prototype, "constructor", {
    value: sample.constructor,
    writable: true,
    configurable: true,
  });
  Object.setPrototypeOf(prototype, Object.getPrototypeOf(sample));
}

pass(AppRequest, new Request("http://localhost/"));
pass(AppHeaders, new Headers());
