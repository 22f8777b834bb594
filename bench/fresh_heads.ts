/**
 * Heads that do not repeat: 512 of each kind, with fields that come and go and values of
 * many lengths, as a server meets them. The same ones in each process.
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
