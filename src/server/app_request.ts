/**
 * The Fetch `Request` that an application gets: made of the pooled request as it is
 * looked at.
 *
 * Most applications ask for `url`, `method` and a few fields. Building the runtime's own
 * `Request` for that costs more than the rest of the exchange, so these objects answer
 * the common questions themselves and build the real one for everything else. Their
 * prototype chain ends in `Request.prototype` and `Headers.prototype`, whose methods look
 * for the state of a real object behind symbols; getters under the same symbols, found by
 * reflection, build the real object when a method of the runtime asks for one. Where that
 * does not work, as in Node.js and Bun, an application gets the real object at once.
 *
 * @module
 */

import { Arena } from "../memory/arena.ts";
import type { HttpHeaders } from "../message/headers.ts";
import { Pools } from "../message/pools.ts";
import type { PooledRequest, RequestView } from "../message/request.ts";
import { RequestMachine } from "../message/request_machine.ts";
import {
  isFetchable,
  requestForApp,
  requestToFetch,
  takesBody,
} from "../message/request_to_fetch.ts";
import { CR, LF } from "../wire/ascii.ts";
import { METHODS, OTHER_METHOD } from "../wire/names.ts";

/** A name that `Headers` does not refuse. */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** A Host that a URL has unchanged: no default port, and nothing that may be an address. */
const PLAIN_HOST =
  /^(?!.*xn--)[a-z][a-z-]*(?:\.[a-z][a-z-]*)*(?::[1-9]\d{3})?$/;
/** A target that a URL has unchanged: no dot segments, nothing to be encoded. */
const PLAIN_TARGET =
  /^\/(?!\.)(?:[\w\-~!$&()*+,;=:@?]\.*|\/(?!\.|%)|%(?!2e)[\da-f]{2}\.*)*$/i;

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
  if (!passes || line.method === OTHER_METHOD || line.absolute) {
    return requestForApp(source, secure);
  }
  if (!FETCHABLE[line.method]) return 501;
  const origin = originOf(source.headers.get("host") ?? "localhost", secure);
  if (origin === null) return 400;
  const state = new RequestState(source, secure, origin);
  return new AppRequest(state) as unknown as Request;
}

/** Holds the heads of requests that were released, since they may be asked for later. */
const heads = new Arena();
const HEAD_END = new Uint8Array([CR, LF, CR, LF]);
const LINE_END = 2;

/** What is known of one request, and the real `Request` once there is one. */
class RequestState implements RequestView {
  readonly method: string;
  readonly #secure: boolean;
  readonly #origin: string;
  /** Whether the application may read a body: a GET or HEAD has none in Fetch. */
  readonly #hasBody: boolean;
  /** The pooled request, until its release. */
  #source: PooledRequest | null;
  /** The chunk that holds the head after the release, and where. */
  #chunk: Uint8Array | null = null;
  #headStart = 0;
  #headLength = 0;
  #fieldsStart = 0;
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
    this.#hasBody = source.framing.hasBody && takesBody(method);
    source.view = this;
  }

  /** The pooled request is about to be released: keeps what may still be asked for. */
  detach(): void {
    const source = this.#source!;
    if (source.aborted) void this.signal;
    this.#source = null;
    if (this.#real !== null) return;
    this.#used = source.bodyUsed;
    this.#headStart = source.copyHead(heads);
    this.#headLength = source.headLength;
    this.#fieldsStart = source.fieldsStart;
    this.#chunk = heads.chunk;
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

  get headers(): AppHeaders {
    return this.#headers ??= new AppHeaders(this);
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

  /** The pooled request, where its body can be read without a stream. */
  get readable(): PooledRequest | null {
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
    if (source === null) return this.#restore();
    if (this.bodyUsed) return this.#makeUsed(source);
    return requestToFetch(source, this.#secure, this.#hasBody, this.signal);
  }

  /** Reads the head again that was kept. Its body went with the pooled request. */
  #restore(): Request {
    const length = this.#headLength;
    const start = this.#headStart;
    const machine = new RequestMachine({
      pools: new Pools(),
      maxRequestLine: this.#fieldsStart - LINE_END,
      maxHeaderBytes: length - this.#fieldsStart + HEAD_END.length,
      maxHeaders: length,
    });
    machine.push(this.#chunk!.subarray(start, start + length));
    machine.push(HEAD_END);
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
    // Text would add a Content-Type.
    const request = new Request(bodyless, { body: new Uint8Array(1) });
    request.text().catch(() => {});
    return request;
  }
}

/**
 * The key of the state: a property, since a private field would be out of reach where an
 * application puts the request behind a `Proxy`.
 */
const STATE = Symbol("state");

/** The methods and getters of `Request` that need no real one. */
class AppRequest {
  readonly [STATE]: RequestState;

  constructor(state: RequestState) {
    this[STATE] = state;
  }

  get method(): string {
    return this[STATE].method;
  }

  get url(): string {
    return this[STATE].url;
  }

  get headers(): AppHeaders {
    return this[STATE].headers;
  }

  get signal(): AbortSignal {
    return this[STATE].signal;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this[STATE].body;
  }

  get bodyUsed(): boolean {
    return this[STATE].bodyUsed;
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const { readable } = this[STATE];
    return readable?.fetchRead((bytes) => bytes) ?? this[STATE].real().bytes();
  }

  text(): Promise<string> {
    const { readable } = this[STATE];
    return readable?.fetchRead(decode) ?? this[STATE].real().text();
  }

  json(): Promise<unknown> {
    const { readable } = this[STATE];
    return readable?.fetchRead(parse) ??
      this[STATE].real().json();
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    const { readable } = this[STATE];
    return readable?.fetchRead(({ buffer }) => buffer) ??
      this[STATE].real().arrayBuffer();
  }
}

const decoder = new TextDecoder();

function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(decode(bytes));
}

/** The methods of `Headers` that need no real one. */
class AppHeaders {
  readonly [STATE]: RequestState;

  constructor(state: RequestState) {
    this[STATE] = state;
  }

  get(name: string): string | null {
    const fields = this[STATE]?.fields ?? null;
    return fields !== null && isName(name)
      ? fields.get(name)
      : Reflect.apply(HEADERS.get, realHeaders(this), arguments);
  }

  has(name: string): boolean {
    const fields = this[STATE]?.fields ?? null;
    return fields !== null && isName(name)
      ? fields.has(name)
      : Reflect.apply(HEADERS.has, realHeaders(this), arguments);
  }
}

const HEADERS = Headers.prototype;

/** The real one, also where a method was called on one that is no request's. */
function realHeaders(headers: AppHeaders): Headers {
  const state: RequestState | undefined = headers[STATE];
  return state?.real().headers ?? headers as unknown as Headers;
}

function isName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name);
}

/** Makes objects of `own` pass for those of the runtime's class of `sample`. */
function pass<Real extends object>(
  own: { readonly prototype: { readonly [STATE]: RequestState } },
  sample: Real,
  realOf: (state: RequestState) => Real,
): void {
  const { prototype } = own;
  for (const symbol of Object.getOwnPropertySymbols(sample)) {
    Object.defineProperty(prototype, symbol, {
      get(this: AppRequest | AppHeaders) {
        return Reflect.get(realOf(this[STATE]), symbol);
      },
      set(this: AppRequest | AppHeaders, value: unknown) {
        Reflect.set(realOf(this[STATE]), symbol, value);
      },
    });
  }
  // Those of the runtime are enumerable, so `for in` would miss these.
  for (const name of Object.getOwnPropertyNames(prototype)) {
    Object.defineProperty(prototype, name, { enumerable: true });
  }
  Object.defineProperty(prototype, "constructor", {
    value: sample.constructor,
    enumerable: false,
  });
  Object.setPrototypeOf(prototype, Object.getPrototypeOf(sample));
}

pass(AppRequest, new Request("http://localhost/"), (state) => state.real());
pass(AppHeaders, new Headers(), (state) => state.real().headers);

/** Whether the runtime takes these objects for its own; it may keep state elsewhere. */
const passes = doPass();

function doPass(): boolean {
  const real = new Request("http://localhost/", { headers: { "x-a": "b" } });
  const state = { real: () => real } as RequestState;
  const request = new AppRequest(state) as unknown as Request;
  const headers = new AppHeaders(state) as unknown as Headers;
  try {
    headers.append("x-c", "d");
    return [request.clone(), new Request(request), { headers }]
      .every(({ headers }) => [...headers].join(";") === "x-a,b;x-c,d");
  } catch {
    return false;
  }
}
