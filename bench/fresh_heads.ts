/**
 * Heads that do not repeat: 512 of each kind of request and response, with values of many
 * lengths, and fields that come and go where they do so in practice. The same ones in each
 * process.
 *
 * @module
 */

const HEADS = 512;
const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const encoder = new TextEncoder();

/** Choices from a linear congruential generator. */
class Choices {
  #state = 1;

  /** A whole number from 0 up to `below`. */
  number(below: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (this.#state >>> 8) % below;
  }

  oneOf<T>(options: readonly T[]): T {
    return options[this.number(options.length)]!;
  }

  /** Letters and digits, from `shortest` to `longest` of them. */
  word(shortest: number, longest: number): string {
    const length = shortest + this.number(longest - shortest + 1);
    return Array.from({ length }, () => this.oneOf([...LETTERS])).join("");
  }

  /** A day in 2024, in the format of HTTP. */
  date(): string {
    return new Date(1_704_067_200_000 + this.number(31_622_400) * 1000)
      .toUTCString();
  }

  /** The lines in one of `of` cases, else none. */
  sometimes(of: number, ...lines: string[]): string[] {
    return this.number(of) === 0 ? lines : [];
  }
}

function heads(
  linesOf: (choices: Choices) => string[],
): Uint8Array<ArrayBuffer>[] {
  const choices = new Choices();
  return Array.from(
    { length: HEADS },
    () => encoder.encode([...linesOf(choices), "", ""].join("\r\n")),
  );
}

/** GETs of pages and what they load, as Chromium sends them: some 650 bytes. */
export const BROWSER_HEADS: Uint8Array<ArrayBuffer>[] = heads((choices) => {
  const version = 120 + choices.number(30);
  const host = choices.oneOf(["www.example.com", "static.example.org"]);
  const [system, platform] = choices.oneOf([
    ["X11; Linux x86_64", "Linux"],
    ["Windows NT 10.0; Win64; x64", "Windows"],
    ["Macintosh; Intel Mac OS X 10_15_7", "macOS"],
  ]);
  const [dest, type, accept] = choices.oneOf([
    [
      "document",
      "html",
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ],
    ["style", "css", "text/css,*/*;q=0.1"],
    ["script", "js", "*/*"],
    [
      "image",
      "png",
      "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    ],
  ]);
  const page = dest === "document";
  return [
    `GET /${choices.word(3, 12)}/${choices.word(5, 30)}.${type} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: keep-alive",
    ...choices.sometimes(4, "Cache-Control: max-age=0"),
    `sec-ch-ua-platform: "${platform}"`,
    `User-Agent: Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`,
    `sec-ch-ua: "Chromium";v="${version}", "Not A(Brand";v="99"`,
    "sec-ch-ua-mobile: ?0",
    ...(page ? ["Upgrade-Insecure-Requests: 1"] : []),
    `Accept: ${accept}`,
    `Sec-Fetch-Site: ${
      page ? "none" : choices.oneOf(["same-origin", "cross-site"])
    }`,
    `Sec-Fetch-Mode: ${page ? "navigate" : "no-cors"}`,
    ...(page ? ["Sec-Fetch-User: ?1"] : []),
    `Sec-Fetch-Dest: ${dest}`,
    ...(page ? [] : [`Referer: https://${host}/${choices.word(2, 30)}`]),
    "Accept-Encoding: gzip, deflate, br, zstd",
    `Accept-Language: ${
      choices.oneOf(["en-US,en;q=0.9", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"])
    }`,
    ...choices.sometimes(
      2,
      `Cookie: sid=${choices.word(16, 32)}; theme=${
        choices.oneOf(["dark", "light"])
      }; _ga=GA1.1.${choices.number(1e9)}.${choices.number(1e9)}`,
    ),
  ];
});

/** Calls of an API: some 350 bytes. */
export const API_HEADS: Uint8Array<ArrayBuffer>[] = heads((choices) => [
  `GET /api/v1/${choices.word(4, 10)}/${choices.number(1e5)}?${
    choices.word(2, 6)
  }=${choices.word(1, 12)} HTTP/1.1`,
  `Host: ${choices.oneOf(["api.example.com", "api.internal:8080"])}`,
  `User-Agent: ${
    choices.oneOf(["axios/1.7.2", "Go-http-client/1.1", "okhttp/4.12.0"])
  }`,
  `Accept: ${
    choices.oneOf(["application/json", "*/*", "application/json, text/plain"])
  }`,
  ...choices.sometimes(2, "Accept-Encoding: gzip, deflate, br"),
  `Authorization: Bearer ${choices.word(60, 120)}`,
  `X-Request-ID: ${choices.word(8, 8)}-${choices.word(4, 4)}-${
    choices.word(12, 12)
  }`,
  ...choices.sometimes(
    2,
    `traceparent: 00-${choices.word(32, 32)}-${choices.word(16, 16)}-01`,
  ),
  "Connection: keep-alive",
]);

/** A request line and Host: some 50 bytes. */
export const SMALL_HEADS: Uint8Array<ArrayBuffer>[] = heads((choices) => [
  `GET /${choices.word(2, 16)} HTTP/1.1`,
  `Host: ${choices.oneOf(["www.example.com", "localhost:8000"])}`,
]);

/** A file or a page of nginx: some 300 bytes. */
function siteHead(choices: Choices): string[] {
  const [type, vary] = choices.oneOf([
    ["text/html; charset=utf-8", true],
    ["text/css", true],
    ["application/javascript", true],
    ["image/png", false],
    ["font/woff2", false],
  ]);
  const age = choices.oneOf([0, 300, 3600, 31_536_000]);
  return [
    "Server: nginx" + choices.oneOf(["", "/1.22.1", "/1.26.2"]),
    `Date: ${choices.date()}`,
    `Content-Type: ${type}`,
    ...choices.sometimes(2, `Last-Modified: ${choices.date()}`),
    ...choices.sometimes(2, "Connection: keep-alive"),
    ...choices.sometimes(4, "Keep-Alive: timeout=5, max=100"),
    ...(vary ? ["Vary: Accept-Encoding"] : []),
    ...choices.sometimes(
      2,
      `ETag: "${choices.word(8, 8)}-${choices.word(2, 6)}"`,
    ),
    ...choices.sometimes(3, `Expires: ${choices.date()}`),
    ...(age > 0 ? [`Cache-Control: public, max-age=${age}`] : []),
    ...choices.sometimes(2, "Accept-Ranges: bytes"),
    ...choices.sometimes(
      4,
      `Set-Cookie: PHPSESSID=${choices.word(26, 32)}; path=/; HttpOnly`,
    ),
    ...choices.sometimes(3, "X-Content-Type-Options: nosniff"),
    ...choices.sometimes(3, "X-Frame-Options: SAMEORIGIN"),
  ];
}

/** An answer of an API: some 400 bytes. */
function apiHead(choices: Choices): string[] {
  return [
    `Date: ${choices.date()}`,
    `Content-Type: ${
      choices.oneOf(["application/json", "application/json; charset=utf-8"])
    }`,
    ...choices.sometimes(2, "Connection: keep-alive"),
    ...choices.sometimes(2, `X-Request-Id: ${choices.word(8, 36)}`),
    ...choices.sometimes(
      3,
      `traceparent: 00-${choices.word(32, 32)}-${choices.word(16, 16)}-01`,
    ),
    ...choices.sometimes(
      2,
      "X-RateLimit-Limit: 5000",
      `X-RateLimit-Remaining: ${choices.number(5000)}`,
      `X-RateLimit-Reset: ${1_704_067_200 + choices.number(31_622_400)}`,
    ),
    "Cache-Control: " +
    choices.oneOf(["no-store", "private, max-age=60, s-maxage=60", "no-cache"]),
    ...choices.sometimes(2, `ETag: W/"${choices.word(32, 64)}"`),
    ...choices.sometimes(
      2,
      "Access-Control-Allow-Origin: *",
      "Access-Control-Expose-Headers: ETag, Link, Location, Retry-After",
    ),
    ...choices.sometimes(
      4,
      `Link: <https://api.example.com/${choices.word(4, 12)}?page=${
        choices.number(99)
      }>; rel="next"`,
    ),
    ...choices.sometimes(2, `X-Response-Time: ${choices.number(900)}ms`),
    ...choices.sometimes(2, "Strict-Transport-Security: max-age=31536000"),
    "Vary: " +
    choices.oneOf(["Accept", "Accept, Authorization, Cookie", "Origin"]),
  ];
}

/** A page behind the proxies of a large site: some 900 bytes. */
function edgeHead(choices: Choices): string[] {
  const place = choices.oneOf(["FRA", "AMS", "IAD", "NRT"]);
  return [
    `Date: ${choices.date()}`,
    "Content-Type: text/html; charset=utf-8",
    "Connection: keep-alive",
    `Server: ${choices.oneOf(["cloudflare", "AmazonS3", "gws", "Varnish"])}`,
    `Cache-Control: ${
      choices.oneOf([
        "private, max-age=0, must-revalidate",
        "public, max-age=600, stale-while-revalidate=86400",
      ])
    }`,
    ...choices.sometimes(2, `Age: ${choices.number(86_400)}`),
    ...choices.sometimes(2, `ETag: W/"${choices.word(10, 40)}"`),
    "Vary: Accept-Encoding, Cookie",
    ...choices.sometimes(
      2,
      `Set-Cookie: session=${
        choices.word(32, 90)
      }; Path=/; Secure; HttpOnly; SameSite=Lax`,
    ),
    ...choices.sometimes(
      3,
      `Set-Cookie: __cf_bm=${choices.word(43, 43)}-${
        choices.number(1e9)
      }; expires=${choices.date()}; domain=.example.com`,
    ),
    "Strict-Transport-Security: max-age=31536000; includeSubDomains; preload",
    ...choices.sometimes(
      2,
      `Content-Security-Policy: default-src 'self'; script-src 'self' 'nonce-${
        choices.word(22, 22)
      }' https://cdn.example.net; img-src * data:; frame-ancestors 'none'`,
    ),
    "X-Content-Type-Options: nosniff",
    ...choices.sometimes(2, "Referrer-Policy: strict-origin-when-cross-origin"),
    ...choices.sometimes(3, "Permissions-Policy: geolocation=(), camera=()"),
    `X-Cache: ${choices.oneOf(["HIT", "MISS", "Hit from cloudfront"])}`,
    ...choices.sometimes(
      2,
      `Via: 1.1 ${choices.word(32, 32)}.cloudfront.net (CloudFront)`,
      `X-Amz-Cf-Id: ${choices.word(54, 56)}`,
    ),
    `CF-Ray: ${choices.word(16, 16)}-${place}`,
    ...choices.sometimes(
      2,
      `Server-Timing: cdn-cache;desc=HIT, edge;dur=${choices.number(90)}`,
    ),
    'Alt-Svc: h3=":443"; ma=86400',
  ];
}

/** Files that nginx serves, with its fields in its order: some 240 bytes and a short body. */
export const NGINX_RESPONSES: Uint8Array<ArrayBuffer>[] = heads((choices) => [
  "HTTP/1.1 200 OK",
  "Server: nginx/1.22.1",
  `Date: ${choices.date()}`,
  `Content-Type: ${
    choices.oneOf([
      "text/html",
      "text/css",
      "application/javascript",
      "image/png",
      "image/svg+xml",
    ])
  }`,
  `Content-Length: ${choices.number(64)}`,
  `Last-Modified: ${choices.date()}`,
  "Connection: keep-alive",
  `ETag: "${choices.number(2 ** 31).toString(16)}-${
    choices.number(2 ** 20).toString(16)
  }"`,
  "Accept-Ranges: bytes",
]).map(withBody);

/** Responses to GETs: of nginx, of an API, behind a CDN, with a short body or none. */
export const MIXED_RESPONSES: Uint8Array<ArrayBuffer>[] = heads((choices) => {
  const line = choices.oneOf([
    ...Array(12).fill("200 OK"),
    ...["206 Partial Content", "304 Not Modified", "404 Not Found"],
    "302 Found",
  ]);
  const fields = choices.oneOf([siteHead, apiHead, edgeHead])(choices);
  if (line.startsWith("304")) return [`HTTP/1.1 ${line}`, ...fields];
  const length = choices.number(64);
  const at = choices.number(fields.length + 1);
  fields.splice(at, 0, `Content-Length: ${length}`);
  return [`HTTP/1.1 ${line}`, ...fields];
}).map(withBody);

/** The head with a body of the length that it announces. */
function withBody(head: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(head);
  const length = Number(text.match(/^Content-Length: (\d+)/m)?.[1] ?? 0);
  return encoder.encode(text + "x".repeat(length));
}
