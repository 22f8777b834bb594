/**
 * The requests that benchmarks and allocation tests parse.
 *
 * @module
 */

const encoder = new TextEncoder();

function wire(...lines: string[]): Uint8Array<ArrayBuffer> {
  return encoder.encode([...lines, "", ""].join("\r\n"));
}

/** `bytes` one time after another. */
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

export const GET_WITH_HEADERS = wire(
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

/** 703 bytes: the head that the benchmarks of picohttpparser and httparse use. */
export const BROWSER_GET = wire(
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

/** A POST of `chunks` chunks of `size` bytes. */
export function chunkedPost(
  chunks: number,
  size: number,
): Uint8Array<ArrayBuffer> {
  const chunk = encoder.encode(
    `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`,
  );
  const head = wire(
    "POST /upload HTTP/1.1",
    "Host: www.example.com",
    "Transfer-Encoding: chunked",
  );
  const end = encoder.encode("0\r\n\r\n");
  const all = new Uint8Array(head.length + chunk.length * chunks + end.length);
  all.set(head);
  all.set(repeat(chunk, chunks), head.length);
  all.set(end, all.length - end.length);
  return all;
}
