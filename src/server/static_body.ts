/**
 * The body of a `Response` that was made of text or bytes, read without a stream.
 *
 * Fetch has no public way to read such a body synchronously: `body` makes a stream that
 * is read once, which costs more than the rest of the response. Deno keeps the text or
 * the bytes in an object behind a symbol, beside a flag for "consumed". This file finds
 * both on probes when it is loaded, by their values and never by name, and checks that
 * every other kind of body looks different. On a runtime where one probe differs,
 * `takeStaticBody` finds nothing, and the caller reads the stream.
 *
 * @module
 */

/** Where a response keeps its body: `response[response][body][holder]`, with a flag. */
interface Path {
  readonly response: symbol;
  readonly body: string;
  readonly holder: string;
  readonly content: string;
  readonly consumed: string;
}

/** An object of the runtime's own, whose shape is only known from probes. */
type Inside = Record<string | symbol, unknown>;

/** Switches the file off, so that tests can run both ways. */
export const staticBodies = { enabled: true };

const TEXT = "probe";
const BYTES: Uint8Array = new TextEncoder().encode(TEXT);

const path = findPath();

/**
 * Takes the body of a response whose `headers` were read before, which brings the object
 * into its final shape. The response counts as used from then on. Returns `undefined`
 * where the body is a stream, or was not found.
 */
export function takeStaticBody(
  response: Response,
): string | Uint8Array | undefined {
  if (path === null || !staticBodies.enabled) return undefined;
  const holder = holderOf(response, path);
  if (holder === null || holder[path.consumed] !== false) return undefined;
  const content = holder[path.content];
  if (typeof content !== "string" && !(content instanceof Uint8Array)) {
    return undefined;
  }
  holder[path.consumed] = true;
  return content;
}

function holderOf(response: Response, path: Path): Inside | null {
  const inner = (response as unknown as Inside)[path.response] as
    | Inside
    | undefined;
  const body = inner?.[path.body] as Inside | null | undefined;
  return body?.[path.holder] as Inside | undefined ?? null;
}

function findPath(): Path | null {
  try {
    return pathsOf(probe(TEXT)).find(holdsForAll) ?? null;
  } catch {
    // A runtime whose objects cannot be looked into.
    return null;
  }
}

function probe(body: BodyInit | null): Response {
  const response = new Response(body, { headers: { "x-probe": "yes" } });
  void response.headers;
  return response;
}

/** Every way from a response to its text, with a flag beside it. */
function pathsOf(response: Response): Path[] {
  const paths: Path[] = [];
  const outer = response as unknown as Inside;
  for (const symbol of Object.getOwnPropertySymbols(response)) {
    for (const [body, inner] of objectsIn(outer[symbol])) {
      for (const [holder, parts] of objectsIn(inner)) {
        const keys = Object.keys(parts);
        const content = keys.find((key) => parts[key] === TEXT);
        const consumed = keys.find((key) => parts[key] === false);
        if (content !== undefined && consumed !== undefined) {
          paths.push({ response: symbol, body, holder, content, consumed });
        }
      }
    }
  }
  return paths;
}

function objectsIn(value: unknown): [string, Inside][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.keys(value)
    .map((key): [string, unknown] => [key, (value as Inside)[key]])
    .filter((pair): pair is [string, Inside] =>
      typeof pair[1] === "object" && pair[1] !== null
    );
}

/** Whether a way gives text and bytes, nothing else, and marks them as used. */
function holdsForAll(path: Path): boolean {
  const contentOf = (response: Response) => {
    const holder = holderOf(response, path);
    return holder?.[path.consumed] === false ? holder[path.content] : null;
  };
  const isFound = (body: BodyInit) => {
    const content = contentOf(probe(body));
    return content === TEXT ||
      (content instanceof Uint8Array && content.length === BYTES.length &&
        content.every((byte, i) => byte === BYTES[i]));
  };
  const isHidden = (response: Response) => {
    const content = contentOf(response);
    return typeof content !== "string" && !(content instanceof Uint8Array);
  };
  const marked = probe(TEXT);
  holderOf(marked, path)![path.consumed] = true;
  const read = probe(TEXT);
  read.text().catch(() => {});
  const opened = probe(TEXT);
  void opened.body;
  const cloned = probe(TEXT);
  const clone = cloned.clone();
  return isFound(TEXT) && isFound(BYTES.slice()) &&
    isFound(BYTES.slice().buffer) &&
    [
      null,
      new Blob([TEXT]),
      new FormData(),
      new ReadableStream<Uint8Array>(),
    ].every((body) => isHidden(probe(body))) &&
    marked.bodyUsed && isHidden(read) && isHidden(opened) &&
    [cloned, clone].every((one) =>
      isHidden(one) || (contentOf(one) === TEXT && !one.bodyUsed)
    );
}
