/**
 * What applications do with a `Request`, to be done to two that should be the same.
 *
 * @module
 */

import { buffer } from "node:stream/consumers";
import { inspect } from "node:util";

/** Runs with a cache of its own. */
async function inCache<T>(run: (cache: Cache) => Promise<T>): Promise<T> {
  const name = crypto.randomUUID();
  try {
    return await run(await caches.open(name));
  } finally {
    await caches.delete(name);
  }
}

async function textOf(cache: Cache, request: Request): Promise<unknown> {
  return await (await cache.match(request))?.text();
}

/** What an application does with a request; two are the same if it gives the same. */
export type Operation = (request: Request) => unknown;

export const OPERATIONS: Record<string, Operation> = {
  // What every Request has, by its own names.
  ...Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))
      .filter(([, { get }]) => get !== undefined)
      .map(([name]) => [name, (r: Request) => r[name as keyof Request]]),
  ),
  "text()": (r) => r.text(),
  "json()": (r) => r.json(),
  "bytes()": (r) => r.bytes(),
  "arrayBuffer()": (r) => r.arrayBuffer(),
  "blob()": (r) => r.blob(),
  "formData()": (r) => r.formData(),
  "clone()": (r) => r.clone(),
  "clone() and both are read": async (r) => {
    const clone = r.clone();
    return [await clone.text(), await r.text()];
  },
  "clone() once the body was read": async (r) => {
    await r.text();
    return r.clone();
  },
  "clone() once the stream was made": async (r) => {
    void r.body;
    return await r.clone().text();
  },
  "text() twice": async (r) => {
    await r.text();
    return await r.text();
  },
  "text() and json()": async (r) => {
    await r.text();
    return await r.json();
  },
  "bodyUsed after text()": async (r) => {
    const reading = r.text();
    const used = r.bodyUsed;
    await reading;
    return [used, r.bodyUsed, r.body === null ? null : r.body.locked];
  },
  "body after text()": async (r) => {
    await r.text();
    return r.body?.getReader();
  },
  "text() of a locked body": (r) => {
    r.body?.getReader();
    return r.text();
  },
  "half of the body": async (r) => {
    const reader = r.body?.getReader();
    await reader?.read();
    return r.bodyUsed;
  },
  "body is one object": (r) => r.body === r.body,
  "headers is one object": (r) => r.headers === r.headers,
  "signal is one object": (r) => r.signal === r.signal,
  "new Request(r)": (r) => new Request(r),
  "new Request(r, init)": (r) =>
    new Request(r, { method: "PATCH", headers: { a: "b" }, body: "c" }),
  "new Request(url, r)": (r) =>
    new Request("http://b.example/", { method: r.method, headers: r.headers }),
  "new Request(r) once the body was read": async (r) => {
    await r.text();
    return new Request(r);
  },
  "new Headers(r.headers)": (r) => new Headers(r.headers),
  "headers, all ways": (r) => [
    [...r.headers],
    [...r.headers.keys()],
    [...r.headers.values()],
    [...r.headers.entries()],
    Object.fromEntries(r.headers),
    r.headers.getSetCookie(),
  ],
  "headers once the body was read": async (r) => {
    await r.text();
    return [...r.headers];
  },
  "headers.forEach": (r) => {
    const all: unknown[] = [];
    r.headers.forEach((value, name, of) => {
      all.push([value, name, of === r.headers]);
    });
    return all;
  },
  "headers.get": (r) =>
    ["host", "ACCEPT", "x-twice", "cookie", "missing"].map((name) => [
      r.headers.get(name),
      r.headers.has(name),
    ]),
  "headers.get of no name": (r) => r.headers.get("no name"),
  "headers.has of no name": (r) => r.headers.has(""),
  "headers.get of another type": (r) =>
    [null, 1, { toString: () => "accept" }].map((name) =>
      r.headers.get(name as string)
    ),
  "headers.get without a name": (r) =>
    (r.headers.get as unknown as () => string)(),
  "headers.set, append and delete": (r) => {
    r.headers.set("accept", "changed");
    r.headers.append("x-twice", "three");
    r.headers.append("x-new", "new");
    r.headers.delete("cookie");
    return [
      r.headers.get("accept"),
      r.headers.get("x-twice"),
      r.headers.get("cookie"),
      r.headers.has("x-new"),
      [...r.headers],
      [...new Request(r).headers],
    ];
  },
  "instanceof": (r) => [
    r instanceof Request,
    r.headers instanceof Headers,
    r.signal instanceof AbortSignal,
  ],
  "the constructor": (r) => [
    r.constructor === Request,
    r.headers.constructor === Headers,
  ],
  "tags": (r) => [
    Object.prototype.toString.call(r),
    Object.prototype.toString.call(r.headers),
    String(r),
  ],
  "keys": (r) => [
    Object.keys(r),
    Object.keys(r.headers),
    Object.getOwnPropertyNames(r),
    JSON.stringify(r),
    JSON.stringify(r.headers),
    "url" in r,
    "nothing" in r,
  ],
  "assignment": (r) => {
    (r as { url: string }).url = "http://other/";
    return r.url;
  },
  "a property of the application's own": (r) => {
    (r as unknown as { user: string }).user = "me";
    return [(r as unknown as { user: string }).user, Object.keys(r)];
  },
  "structuredClone": (r) => structuredClone(r),
  "structuredClone of headers": (r) => structuredClone(r.headers),
  "console": (r) => Deno.inspect(r),
  "console of headers": (r) => Deno.inspect(r.headers),
  "console once something was read": async (r) => {
    void [r.url, r.headers.get("accept"), await r.text()];
    return Deno.inspect(r);
  },
  "cache.match": (r) => inCache(async (cache) => [await textOf(cache, r)]),
  "cache.put": (r) =>
    inCache(async (cache) => {
      await cache.put(r, new Response("stored"));
      return [
        await textOf(cache, r),
        await textOf(cache, new Request(r.url)),
        await cache.delete(r),
        await textOf(cache, r),
      ];
    }),
  "what @std/http's serveDir asks": (r) => {
    const { pathname, search } = new URL(r.url);
    const asked = ["if-none-match", "if-modified-since", "range", "origin"]
      .map((name) => r.headers.get(name));
    return [r.method, decodeURIComponent(pathname), search, asked];
  },
  "destructuring and spread": (r) => {
    const { method, url, headers } = r;
    return [method, url, [...headers], JSON.stringify({ ...r })];
  },
  "Object.entries and for in": (r) => {
    const names = [];
    for (const name in r) names.push(name);
    for (const name in r.headers) names.push(name);
    return [Object.entries(r), names.sort()];
  },
  "Map and Headers of headers": (r) => [
    [...new Map(r.headers)],
    [...new Response(null, { headers: r.headers }).headers],
  ],
  "a key of a WeakMap": (r) => new WeakMap([[r, "found"]]).get(r),
  "console of what holds it": (r) => Deno.inspect({ request: [r] }),
  "util.inspect": (r) => inspect(r),
  "AbortSignal.any": (r) => AbortSignal.any([r.signal]),
  "tee()": async (r) => {
    const streams = r.body?.tee() ?? [];
    return await Promise.all(streams.map((s) => new Response(s).text()));
  },
  "iteration of the body": async (r) => {
    let length = 0;
    for await (const chunk of r.body ?? []) length += chunk.length;
    return [length, r.bodyUsed];
  },
  "a stream of node:stream": async (r) =>
    r.body && (await buffer(r.body)).toString(),
  "clone() of a clone": async (r) => {
    const first = r.clone();
    const second = first.clone();
    return [await second.text(), await first.text(), await r.text()];
  },
  "the class's own clone": (r) => Request.prototype.clone.call(r),
  "an object that inherits from it": (r) => {
    const child = Object.create(r) as Request;
    return [child.url, child.method, child.headers.get("accept")];
  },
  "URL": (r) => new URL(r.url).pathname,
  "URLPattern": (r) =>
    new URLPattern({ pathname: "/:first/*" }).exec(r.url)?.pathname.groups,
  "a Response of the body": (r) => new Response(r.body).text(),
  "methods of the class": (r) => Request.prototype.text.call(r),
  "getters of the class": (r) =>
    ["url", "method", "bodyUsed"].map((name) =>
      Object.getOwnPropertyDescriptor(Request.prototype, name)!.get!.call(r)
    ),
  "methods of Headers": (r) => Headers.prototype.get.call(r.headers, "accept"),
  "methods of Headers, called with another": (r) => {
    const { get } = r.headers;
    return get.call(new Headers({ accept: "other" }), "accept");
  },
  "a proxy": async (r) => {
    const proxy = new Proxy(r, {});
    return [proxy.url, proxy.headers.get("accept"), await proxy.text()];
  },
};
