/**
 * The messages that benchmarks and allocation tests parse.
 *
 * @module
 */

import firstPage from "../tests/fixtures/chromium-page-1.http" with {
  type: "text",
};
import secondPage from "../tests/fixtures/chromium-page-2.http" with {
  type: "text",
};

import {
  API_HEADS,
  BROWSER_HEADS,
  MIXED_RESPONSES,
  NGINX_RESPONSES,
  SMALL_HEADS,
} from "./fresh_heads.ts";

const encoder = new TextEncoder();

function wire(...lines: string[]): Uint8Array<ArrayBuffer> {
  return encoder.encode([...lines, "", ""].join("\r\n"));
}

/** A response of a web server, with a body of the length that it announces. */
function response(
  body: string,
  line: string,
  ...fields: string[]
): Uint8Array<ArrayBuffer> {
  return encoder.encode(
    [line, ...fields, `Content-Length: ${body.length}`, "", body].join("\r\n"),
  );
}

/** A short answer of an API. */
export const JSON_RESPONSE = response(
  '{"message":"Hello, World!"}',
  "HTTP/1.1 200 OK",
  "Date: Mon, 01 Jan 2024 00:00:00 GMT",
  "Content-Type: application/json",
  "Connection: keep-alive",
);

/** The answer of a large site, with the fields of its proxies. */
export const PAGE_RESPONSE = response(
  "<!doctype html>",
  "HTTP/1.1 200 OK",
  "Date: Mon, 01 Jan 2024 00:00:00 GMT",
  "Content-Type: text/html; charset=utf-8",
  "Connection: keep-alive",
  "Server: cloudflare",
  "Cache-Control: private, max-age=0, must-revalidate",
  'ETag: W/"3147526947+gzip"',
  "Vary: Accept-Encoding, Cookie",
  "Set-Cookie: session=0af7651916cd43dd8448eb211c80319c; Path=/; Secure; HttpOnly",
  "Set-Cookie: theme=dark; Path=/",
  "Strict-Transport-Security: max-age=31536000; includeSubDomains; preload",
  "X-Content-Type-Options: nosniff",
  "X-Frame-Options: SAMEORIGIN",
  "Referrer-Policy: strict-origin-when-cross-origin",
  'Alt-Svc: h3=":443"; ma=86400',
  "CF-Ray: 83e8a1b2c3d4e5f6-FRA",
  "X-Request-Id: 4bf92f3577b34da6",
);

/** `bytes`, repeated. */
export function repeat(
  bytes: Uint8Array<ArrayBuffer>,
  times: number,
): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) all.set(bytes, i * bytes.length);
  return all;
}

/** 49 bytes: a request line and Host. */
export const SIMPLE_GET = wire(
  "GET /hello HTTP/1.1",
  "Host: www.example.com:80",
);

const GET_WITH_HEADERS = wire(
  "GET /api/users?page=2 HTTP/1.1",
  "Host: api.example.com",
  "User-Agent: curl/8.5.0",
  "Accept: application/json",
  "Connection: keep-alive",
);

export const TEN_HEADERS = wire(
  "GET /index.html HTTP/1.1",
  "Host: www.example.com",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
  "Accept: text/html,application/xhtml+xml",
  "Accept-Language: en-US,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br",
  "Connection: keep-alive",
  "Referer: https://www.example.com/",
  "Cache-Control: no-cache",
  "DNT: 1",
  "X-Request-ID: 4f1c2b",
);

export const THIRTY_TWO_HEADERS = wire(
  "GET /many HTTP/1.1",
  "Host: www.example.com",
  ...Array.from(
    { length: 31 },
    (_, i) => `X-Custom-Header-${i}: value of header number ${i}`,
  ),
);

export const PIPELINED_16 = repeat(SIMPLE_GET, 16);

/** 703 bytes: the head from the benchmarks of picohttpparser and httparse. */
const BROWSER_GET = wire(
  "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1",
  "Host: www.kittyhell.com",
  "User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) Gecko/20100401 Firefox/3.6.3 Pathtraq/0.9",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept-Language: ja,en-us;q=0.7,en;q=0.3",
  "Accept-Encoding: gzip,deflate",
  "Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7",
  "Keep-Alive: 115",
  "Connection: keep-alive",
  "Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx; __utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; __utmz=xxxxxxxxx.xxxxxxxxxx.x.x.utmccn=(referral)|utmcsr=reader.livedoor.com|utmcct=/reader/|utmcmd=referral",
);

/** A POST with a body; `framing` is the field that frames it. */
function post(framing: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = wire("POST /upload HTTP/1.1", "Host: www.example.com", framing);
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

/** A POST of `chunks` chunks of `size` bytes. */
export function chunkedPost(
  chunks: number,
  size: number,
): Uint8Array<ArrayBuffer> {
  const chunk = `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
  const body = encoder.encode(chunk.repeat(chunks) + "0\r\n\r\n");
  return post("Transfer-Encoding: chunked", body);
}

/** A POST of `length` bytes with a Content-Length. */
export function lengthPost(length: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(length).fill(0x78);
  return post(`Content-Length: ${length}`, body);
}

/** The GETs that Chromium sent in two page loads, in their order. */
const RECORDED = (firstPage + secondPage)
  .split(/(?<=\r\n\r\n)/)
  .filter((head) => head.startsWith("GET "))
  .map((head) => encoder.encode(head));

/** The input of one benchmark, for us and all peers. */
export interface Input {
  /** The name of the benchmark. */
  benchmark: string;
  /** Passed to the parser in turn, over and over. */
  wires: Uint8Array<ArrayBuffer>[];
  /** Messages in each wire. */
  messages: number;
  /** Peers that refuse one of the messages, so they are left out. */
  refusedBy?: readonly string[];
}

/** Heads that do not repeat first, then heads that do. */
export const INPUTS: readonly Input[] = [
  {
    benchmark: "RecordedPages",
    wires: RECORDED,
    messages: 1,
    // The browser sends "[" and "|" in a target.
    refusedBy: ["milo, WebAssembly"],
  },
  { benchmark: "FreshBrowserGET", wires: BROWSER_HEADS, messages: 1 },
  { benchmark: "FreshApiGET", wires: API_HEADS, messages: 1 },
  { benchmark: "FreshSmallGET", wires: SMALL_HEADS, messages: 1 },
  { benchmark: "ParseBrowserGET703", wires: [BROWSER_GET], messages: 1 },
  { benchmark: "ParseWith32Headers", wires: [THIRTY_TWO_HEADERS], messages: 1 },
  { benchmark: "ParseWith10Headers", wires: [TEN_HEADERS], messages: 1 },
  { benchmark: "ParseGETWithHeaders", wires: [GET_WITH_HEADERS], messages: 1 },
  { benchmark: "ParseSimpleGET", wires: [SIMPLE_GET], messages: 1 },
  { benchmark: "Pipelined16", wires: [PIPELINED_16], messages: 16 },
];

/** The same for responses. */
export const RESPONSE_INPUTS: readonly Input[] = [
  { benchmark: "FreshNginxResponse", wires: NGINX_RESPONSES, messages: 1 },
  { benchmark: "FreshMixedResponse", wires: MIXED_RESPONSES, messages: 1 },
  { benchmark: "ParsePageResponse", wires: [PAGE_RESPONSE], messages: 1 },
  { benchmark: "ParseJsonResponse", wires: [JSON_RESPONSE], messages: 1 },
  {
    benchmark: "PipelinedResponses16",
    wires: [repeat(JSON_RESPONSE, 16)],
    messages: 16,
  },
];
