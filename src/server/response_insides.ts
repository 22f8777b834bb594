/**
 * A `Response` made of text or bytes, read without a stream and without its `Headers`.
 *
 * Fetch has no public way to read such a body synchronously, and to iterate `Headers`
 * costs more than to send them. Deno keeps both behind symbols, in one of two shapes:
 *
 * - brief: `new Response(text)` and `Response.json(value)` without an init, until
 *   something is asked of them: the text and its type behind a symbol each;
 * - full: an object with a list of fields, and a holder of the body with a flag.
 *
 * This file finds both on probes, by values and never by name (but for one flag, see
 * `isDecoded`), and checks that every other kind of response looks different. Where one
 * probe differs, as on another runtime, the shape is not used, and the caller goes the
 * public way.
 *
 * @module
 */

import { fetchDecodes } from "../io/runtime.ts";

/** A field of a response, by its name in any case. */
export type Pair = [name: string, value: string];

/** An object of the runtime, whose shape is only known from probes. */
type Inside = Record<string | symbol, unknown>;

/** Turns the shapes off, so that tests can run the public way as well. */
export const insides = { enabled: true };

/** Which shapes this runtime has. */
export function foundShapes(): { brief: boolean; full: boolean } {
  return { brief: brief !== null, full: full !== null };
}

/** A brief response: its status is 200, and its type is its only field. */
export interface Brief {
  readonly text: string;
  /** Whether the type is `application/json`, else that of plain text. */
  readonly isJson: boolean;
}

/** What is known of a full response; `content` is `undefined` for a stream. */
export interface Full {
  readonly fields: readonly Pair[];
  readonly content: string | Uint8Array | null | undefined;
}

const TEXT_TYPE = "text/plain;charset=UTF-8";
const JSON_TYPE = "application/json";
const TEXT = "probe";
const BYTES: Uint8Array<ArrayBuffer> = new TextEncoder().encode(TEXT);

interface BriefShape {
  readonly text: symbol;
  /** The type, or `null` for that of text. */
  readonly type: symbol;
  /** A flag; once set, the body counts as used. */
  readonly used: symbol;
}

interface FullShape {
  readonly inner: symbol;
  readonly fields: string;
  readonly body: string;
  readonly holder: string;
  readonly content: string;
  readonly used: string;
}

/** The field of the probes of the full shape. */
const PROBE_FIELD: Pair = ["x-probe", "yes"];

let brief: BriefShape | null = null;
let full: FullShape | null = null;
let isProbed = false;

/** Finds the shapes, once; until then every response goes the public way. */
export function probeInsides(): void {
  if (isProbed) return;
  isProbed = true;
  brief = attempt(findBrief);
  full = attempt(findFull);
}

/** Takes a brief response, which then counts as used; `null` if it is not brief. */
export function takeBrief(response: Response): Brief | null {
  if (brief === null || !insides.enabled) return null;
  const inside = response as unknown as Inside;
  const text = inside[brief.text];
  if (typeof text !== "string" || inside[brief.used] !== false) return null;
  const type = inside[brief.type];
  if (type !== null && type !== JSON_TYPE) return null;
  inside[brief.used] = true;
  return { text, isJson: type === JSON_TYPE };
}

/** Reads a response that is not brief; `null` where the public way is the only one. */
export function readFull(response: Response): Full | null {
  if (full === null || !insides.enabled) return null;
  const fields = fieldsIn(response, full);
  const inner = asInside(response)[full.inner] as Inside;
  const body = inner[full.body] as Inside | null;
  if (body === null) return { fields, content: null };
  const holder = body[full.holder] as Inside;
  const content = holder[full.used] === false
    ? holder[full.content]
    : undefined;
  return {
    fields,
    content: typeof content === "string" || content instanceof Uint8Array
      ? content
      : undefined,
  };
}

/** The list of the fields. The type of text may join it only when `headers` is asked for. */
function fieldsIn(response: Response, { inner, fields }: FullShape): Pair[] {
  const parts = asInside(response)[inner] as Inside;
  if ((parts[fields] as Pair[]).length === 0) void response.headers;
  return parts[fields] as Pair[];
}

/** Marks the body of a full response as used. */
export function useFull(response: Response): void {
  const inner = (response as unknown as Inside)[full!.inner] as Inside;
  const body = inner[full!.body] as Inside | null;
  if (body !== null) (body[full!.holder] as Inside)[full!.used] = true;
}

/**
 * Whether this response comes from `fetch` with a decoded body. Its fields describe the
 * encoded body in any case, and no public property tells the two apart: the response to
 * a request with `Accept-Encoding: identity` or Range stays encoded. Deno keeps a flag
 * for `Deno.serve`. Without that flag, the codings of a fetched response that the
 * runtime knows count as decoded.
 */
export function isDecoded(response: Response, coding: string): boolean {
  for (const key of Object.getOwnPropertySymbols(response)) {
    const inner = asInside(response)[key] as Inside | null | undefined;
    const flag = inner?.bodyDecoded;
    if (typeof flag === "boolean") return flag;
  }
  return response.url !== "" && fetchDecodes(coding);
}

// --------------------------------------------------------------------- probes

/** What a probe throws on a runtime whose objects it cannot look into. */
function attempt<T>(find: () => T | null): T | null {
  try {
    return find();
  } catch {
    return null;
  }
}

function asInside(response: Response): Inside {
  return response as unknown as Inside;
}

/** Responses that are not brief, or no longer. */
function notBrief(): Response[] {
  const opened = new Response(TEXT);
  void opened.body;
  const asked = new Response(TEXT);
  void asked.headers;
  const read = new Response(TEXT);
  read.text().catch(() => {});
  return [
    opened,
    asked,
    read,
    new Response(TEXT).clone(),
    new Response(TEXT, { status: 201 }),
    new Response(TEXT, { headers: { a: "b" } }),
    Response.json(TEXT, { status: 201 }),
    ...others(),
  ];
}

/** Responses whose fields come from an init, a body, or both. */
function withFields(): Response[] {
  const inits: ResponseInit[] = [
    {},
    { status: 200 },
    { status: 201 },
    { statusText: "x" },
    { headers: {} },
    { headers: { a: "b" } },
    { headers: [["a", "b"], ["A", "c"], ["set-cookie", "d"]] },
    { headers: new Headers({ "content-type": "a/b" }) },
  ];
  return inits.flatMap((init) => [
    new Response(TEXT, init),
    new Response(BYTES.slice(), init),
    new Response(new URLSearchParams(TEXT), init),
    new Response(new Blob([TEXT], { type: "a/b" }), init),
    new Response(null, init),
    Response.json(1, init),
    new Response(TEXT, init).clone(),
  ]);
}

/** Responses whose body is neither text nor bytes. */
function others(): Response[] {
  return [
    new Response(),
    new Response(null, { status: 204 }),
    new Response(new Blob([TEXT])),
    new Response(new FormData()),
    new Response(new ReadableStream<Uint8Array>()),
    Response.redirect("http://localhost/"),
    Response.error(),
  ];
}

function findBrief(): BriefShape | null {
  const plain = asInside(new Response(TEXT));
  const json = asInside(Response.json(1));
  const symbols = Object.getOwnPropertySymbols(plain);
  const text = symbols.find((symbol) =>
    plain[symbol] === TEXT && json[symbol] === "1" &&
    notBrief().every((one) => typeof asInside(one)[symbol] !== "string")
  );
  const type = symbols.find((symbol) =>
    plain[symbol] === null && json[symbol] === JSON_TYPE
  );
  const used = symbols.find((symbol) => {
    const probe = new Response(TEXT);
    if (asInside(probe)[symbol] !== false) return false;
    asInside(probe)[symbol] = true;
    return probe.bodyUsed;
  });
  if (text === undefined || type === undefined || used === undefined) {
    return null;
  }
  const publicTypes = [new Response(TEXT), Response.json(1)]
    .map(({ status, headers }) => [status, ...headers].flat().join());
  return publicTypes[0] === `200,content-type,${TEXT_TYPE}` &&
      publicTypes[1] === `200,content-type,${JSON_TYPE}`
    ? { text, type, used }
    : null;
}

function probeOf(body: BodyInit | null): Response {
  return new Response(body, { headers: [[...PROBE_FIELD]] });
}

function findFull(): FullShape | null {
  return shapesOf(probeOf(TEXT)).find(fits) ?? null;
}

/** Every way from a response to a list of its fields, and to its text and a flag. */
function shapesOf(response: Response): FullShape[] {
  const shapes: FullShape[] = [];
  for (const inner of Object.getOwnPropertySymbols(response)) {
    const parts = objectsIn(asInside(response)[inner]);
    const fields = parts.find(([, value]) =>
      Array.isArray(value) && isPair(value[0])
    )?.[0];
    if (fields === undefined) continue;
    for (const [body, holders] of parts) {
      for (const [holder, state] of objectsIn(holders)) {
        const keys = Object.keys(state);
        const content = keys.find((key) => state[key] === TEXT);
        const used = keys.find((key) => state[key] === false);
        if (content !== undefined && used !== undefined) {
          shapes.push({ inner, fields, body, holder, content, used });
        }
      }
    }
  }
  return shapes;
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value[0] === PROBE_FIELD[0] &&
    value[1] === PROBE_FIELD[1];
}

function objectsIn(value: unknown): [string, Inside][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.keys(value)
    .map((key): [string, unknown] => [key, (value as Inside)[key]])
    .filter((pair): pair is [string, Inside] =>
      typeof pair[1] === "object" && pair[1] !== null
    );
}

/** Whether a shape tells the fields, and text and bytes from everything else. */
function fits(shape: FullShape): boolean {
  const innerOf = (response: Response) =>
    asInside(response)[shape.inner] as Inside;
  const holderOf = (response: Response) =>
    (innerOf(response)[shape.body] as Inside | null)?.[shape.holder] as
      | Inside
      | undefined;
  const contentOf = (response: Response) => {
    const holder = holderOf(response);
    return holder?.[shape.used] === false ? holder[shape.content] : null;
  };
  const isHidden = (response: Response) => {
    const content = contentOf(response);
    return typeof content !== "string" && !(content instanceof Uint8Array);
  };
  const isNull = (response: Response) => innerOf(response)[shape.body] === null;
  const isFound = (response: Response) => {
    const content = contentOf(response);
    return content === TEXT || (content instanceof Uint8Array &&
      content.length === BYTES.length &&
      content.every((byte, i) => byte === BYTES[i]));
  };
  // The list of the fields is that of `headers`, also once they were changed.
  const changed = probeOf(TEXT);
  changed.headers.set("x-probe", "no");
  changed.headers.append("x-more", "1");
  changed.headers.delete("content-type");
  const used = probeOf(TEXT);
  holderOf(used)![shape.used] = true;
  const read = probeOf(TEXT);
  read.text().catch(() => {});
  const opened = probeOf(TEXT);
  void opened.body;
  const asked = probeOf(TEXT);
  void asked.headers;
  return [
    asked,
    changed,
    probeOf(TEXT),
    probeOf(BYTES.slice()),
    probeOf(BYTES.slice().buffer),
    new Response(BYTES.slice()),
  ].every(isFound) &&
    [read, opened, ...others()].every(isHidden) &&
    [new Response(), new Response(null, { status: 204 })].every(isNull) &&
    !others().slice(2, 5).some(isNull) &&
    used.bodyUsed &&
    [changed, ...withFields()].every((one) => {
      const found = new Headers(fieldsIn(one, shape));
      return JSON.stringify([...found]) === JSON.stringify([...one.headers]);
    });
}
