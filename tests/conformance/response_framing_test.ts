/**
 * The length of a response (RFC 9112 §6.3), by status, method and fields; persistence and
 * switched protocols (RFC 9112 §9, RFC 9110 §7.8).
 */

import {
  acceptResponse as accept,
  type ExpectedResponse,
  NEXT_RESPONSE,
  OK,
  refuseResponse as refuse,
  responseRow,
} from "./response_table.ts";

const next: ExpectedResponse = { status: 404, statusText: "Next" };
const CHUNKED = "Transfer-Encoding: chunked\r\n\r\n";

// Item 1: no body, whatever the fields say.
for (
  const [title, head, expected] of [
    ["a 204", "HTTP/1.1 204 X\r\n\r\n", { contentLength: null }],
    ["a 304", "HTTP/1.1 304 X\r\n\r\n", { contentLength: null }],
    ["a 304 with a length", "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", {
      contentLength: 9,
    }],
    ["a 304 with chunked", `HTTP/1.1 304 X\r\n${CHUNKED}`, { chunked: true }],
    [
      "a 204 with the length 0, which says nothing else",
      "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n",
      { contentLength: 0 },
    ],
  ] as const
) {
  accept("RFC 9112 §6.3 item 1", `no body of ${title}`, head + NEXT_RESPONSE, [
    { hasBody: false, body: "", keepAlive: true, ...expected },
    next,
  ]);
}
for (
  const [title, fields, expected] of [
    ["without fields", "\r\n", { contentLength: null }],
    ["with a length", "Content-Length: 5\r\n\r\n", { contentLength: 5 }],
    ["with chunked", CHUNKED, { chunked: true }],
  ] as const
) {
  accept(
    "RFC 9112 §6.3 item 1",
    `no body of a response to HEAD ${title}`,
    `${OK}${fields}${NEXT_RESPONSE}`,
    [{ hasBody: false, body: "", keepAlive: true, ...expected }, next],
    { methods: ["HEAD"] },
  );
}
responseRow(
  "RFC 9110 §9.1",
  "a body of a response to head, as methods are case-sensitive",
  `${OK}Content-Length: 2\r\n\r\nhi`,
  [{ body: "hi" }],
  null,
  { methods: ["head"] },
);
accept(
  "RFC 9112 §6.3 item 1",
  "HEAD and GET in turn, with equal heads",
  `${OK}Content-Length: 2\r\n\r\nab` +
    `${OK}Content-Length: 2\r\n\r\n` + `${OK}Content-Length: 2\r\n\r\ncd` +
    `${OK}Content-Length: 2\r\n\r\nef` + `${OK}Content-Length: 2\r\n\r\n`,
  [
    { body: "ab" },
    { body: "", contentLength: 2 },
    { body: "cd" },
    { body: "ef" },
    { body: "" },
  ],
  { methods: ["GET", "HEAD", "GET", "PUT", "HEAD"] },
);
for (
  const [title, head] of [
    ["a 204 with a length", "HTTP/1.1 204 X\r\n‸Content-Length: 5\r\n\r\n"],
    ["a 204 with chunked", `HTTP/1.1 204 X\r\n‸${CHUNKED}`],
    ["a 100 with a length", "HTTP/1.1 100 X\r\n‸Content-Length: 5\r\n\r\n"],
    ["a 103 with chunked", `HTTP/1.1 103 X\r\n‸${CHUNKED}`],
    [
      "a 101 with a length",
      "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n‸Content-Length: 5\r\n\r\n",
    ],
  ] as const
) {
  refuse("RFC 9112 §6.1", title, head, "forbidden-body");
}

// Item 2: a tunnel.
const RAW = "\0raw\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
for (
  const [title, head] of [
    ["without fields", "HTTP/1.1 200 Established\r\n\r\n"],
    ["HTTP/1.0", "HTTP/1.0 200 Established\r\n\r\n"],
    ["a 204", "HTTP/1.1 204 X\r\n\r\n"],
    ["a 299", "HTTP/1.1 299 X\r\n\r\n"],
    // These have to be ignored (RFC 9110 §9.3.6).
    ["a length", "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n"],
    ["chunked", `HTTP/1.1 200 X\r\n${CHUNKED}`],
    ["an invalid length", "HTTP/1.1 200 X\r\nContent-Length: x\r\n\r\n"],
    [
      "length and coding",
      `HTTP/1.1 204 X\r\nContent-Length: 2\r\n${CHUNKED}`,
    ],
  ] as const
) {
  accept(
    "RFC 9112 §6.3 item 2",
    `a tunnel behind a 2xx to CONNECT: ${title}`,
    head + RAW,
    {
      body: RAW,
      keepAlive: false,
      contentLength: null,
      chunked: false,
      trailers: null,
    },
    { methods: ["CONNECT"] },
  );
}
accept(
  "RFC 9112 §6.3 item 2",
  "a refusal of a CONNECT, which is an ordinary response",
  `HTTP/1.1 407 X\r\nContent-Length: 2\r\n\r\nno${NEXT_RESPONSE}`,
  [{ status: 407, body: "no", keepAlive: true }, next],
  { methods: ["CONNECT", "CONNECT"] },
);

// Items 3 to 5: Transfer-Encoding.
accept(
  "RFC 9112 §6.3 item 4",
  "chunked",
  `${OK}${CHUNKED}2\r\nhi\r\n3;a=b\r\n yo\r\n0\r\nX-A: b\r\n\r\n${NEXT_RESPONSE}`,
  [
    {
      body: "hi yo",
      chunked: true,
      contentLength: null,
      keepAlive: true,
      trailers: [["X-A", "b"]],
    },
    next,
  ],
);
for (
  const [title, fields, code] of [
    [
      "a length as well",
      `Content-Length: 5\r\n‸${CHUNKED}`,
      "length-and-transfer-encoding",
    ],
    [
      "a length behind it",
      "Transfer-Encoding: chunked\r\n‸Content-Length: 5\r\n\r\n",
      "length-and-transfer-encoding",
    ],
    [
      "gzip, which ends with the connection",
      "Transfer-Encoding: ‸gzip\r\n\r\n",
      "unsupported-transfer-coding",
    ],
    [
      "identity",
      "Transfer-Encoding: ‸identity\r\n\r\n",
      "unsupported-transfer-coding",
    ],
    [
      "gzip, chunked",
      "Transfer-Encoding: ‸gzip, chunked\r\n\r\n",
      "unsupported-transfer-coding",
    ],
    [
      "chunked, gzip",
      "Transfer-Encoding: chunked, ‸gzip\r\n\r\n",
      "chunked-not-last",
    ],
    [
      "chunked twice",
      "Transfer-Encoding: chunked, ‸chunked\r\n\r\n",
      "chunked-repeated",
    ],
    [
      "chunked on two lines",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: ‸chunked\r\n\r\n",
      "chunked-repeated",
    ],
    [
      "a vertical tab",
      "Transfer-Encoding: ‸\x0bchunked\r\n\r\n",
      "invalid-header-value",
    ],
    ["no coding", "Transfer-Encoding:‸\r\n\r\n", "invalid-transfer-encoding"],
    [
      "quotes",
      'Transfer-Encoding: ‸"chunked"\r\n\r\n',
      "invalid-transfer-encoding",
    ],
  ] as const
) {
  refuse("RFC 9112 §6.3", `Transfer-Encoding: ${title}`, OK + fields, code);
}
refuse(
  "RFC 9112 §6.1",
  "Transfer-Encoding in HTTP/1.0",
  `HTTP/1.0 200 OK\r\n‸${CHUNKED}0\r\n\r\n`,
  "transfer-encoding-in-http10",
);
for (
  const [title, body, code] of [
    ["a size that is no number", "‸x\r\n", "invalid-chunk-size"],
    ["data without CRLF", "2\r\nhi‸0\r\n\r\n", "chunk-data-end"],
    ["a bare LF", "2‸\nhi\r\n", "bare-lf"],
    [
      "a trailer that frames",
      "0\r\n‸Content-Length: 5\r\n\r\n",
      "forbidden-trailer",
    ],
    ["an end within the data", "5\r\nhi‸", "unexpected-eof"],
    ["an end without a last chunk", "2\r\nhi\r\n‸", "unexpected-eof"],
    ["an end within the trailers", "0\r\nX: y\r\n‸", "unexpected-eof"],
  ] as const
) {
  responseRow("RFC 9112 §7.1", `chunks: ${title}`, `${OK}${CHUNKED}${body}`, [{
    body: code,
  }], code);
}

// Item 6: Content-Length.
for (const length of ["2", "0002", " \t2 "]) {
  accept(
    "RFC 9112 §6.3 item 6",
    `Content-Length: ${JSON.stringify(length)}`,
    `${OK}Content-Length:${length}\r\n\r\nhi${NEXT_RESPONSE}`,
    [{ body: "hi", contentLength: 2, keepAlive: true }, next],
  );
}
accept(
  "RFC 9112 §6.3 item 6",
  "a length of 5000",
  `${OK}Content-Length: 5000\r\n\r\n${"b".repeat(5000)}${NEXT_RESPONSE}`,
  [{ body: "b".repeat(5000) }, next],
);
accept(
  "RFC 9112 §6.3 item 6",
  "a body that looks like a response",
  `${OK}Content-Length: ${NEXT_RESPONSE.length}\r\n\r\n${NEXT_RESPONSE}${NEXT_RESPONSE}`,
  [{ body: NEXT_RESPONSE }, next],
);
responseRow(
  "RFC 9112 §8",
  "an end within a body of known length",
  `${OK}Content-Length: 5\r\n\r\nhi‸`,
  [{ body: "unexpected-eof", contentLength: 5 }],
  "unexpected-eof",
);
for (const status of ["200 OK", "304 X"]) {
  for (
    const [value, code] of [
      ["‸x", "invalid-content-length"],
      ["‸-1", "invalid-content-length"],
      ["‸+1", "invalid-content-length"],
      ["1‸.0", "invalid-content-length"],
      ["‸", "invalid-content-length"],
      ["5‸, 5", "repeated-content-length"],
      ["5‸,6", "repeated-content-length"],
      ["5\r\n‸Content-Length: 5", "repeated-content-length"],
      ["5\r\nA: b\r\n‸content-length: 6", "repeated-content-length"],
      ["‸9007199254740992", "content-length-too-large"],
    ] as const
  ) {
    // The fields of a response without content describe that of a GET.
    refuse(
      "RFC 9112 §6.3 item 5",
      `Content-Length: ${JSON.stringify(value)} in a ${status}`,
      `HTTP/1.1 ${status}\r\nContent-Length: ${value}\r\n\r\n`,
      code,
    );
    refuse(
      "RFC 9112 §6.3 item 5",
      `Content-Length: ${JSON.stringify(value)} in a ${status} to HEAD`,
      `HTTP/1.1 ${status}\r\nContent-Length: ${value}\r\n\r\n`,
      code,
      { methods: ["HEAD"] },
    );
  }
}

// Item 8: until the end of the input.
for (
  const [title, head, body] of [
    ["a body", `${OK}\r\n`, "hi"],
    ["no bytes", `${OK}\r\n`, ""],
    ["any bytes", `${OK}\r\n`, `\0\xff\r\n\r\n${NEXT_RESPONSE}`],
    ["a body in HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", "hi"],
    [
      "a body in HTTP/1.0 that claims to persist",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
      "hi",
    ],
    ["a body of a 205", "HTTP/1.1 205 X\r\n\r\n", "hi"],
    ["a body of a 999", "HTTP/1.1 999 X\r\n\r\n", "hi"],
    ["a body of many slabs", `${OK}\r\n`, "0123456789".repeat(15_000)],
  ] as const
) {
  accept("RFC 9112 §6.3 item 8", `${title} until the end`, head + body, {
    body,
    hasBody: true,
    keepAlive: false,
    contentLength: null,
    chunked: false,
    trailers: null,
  });
}

// Interim responses.
const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
accept(
  "RFC 9110 §15.2",
  "interim responses, which do not use up the method",
  `HTTP/1.1 100 Continue\r\n\r\n${HINTS}${HINTS}${OK}Content-Length: 5\r\n\r\n${NEXT_RESPONSE}`,
  [
    { status: 100, hasBody: false, keepAlive: true },
    { status: 103, lines: [["Link", "</a>"]], hasBody: false },
    { status: 103 },
    { status: 200, hasBody: false, contentLength: 5 },
    next,
  ],
  { methods: ["HEAD", "GET"] },
);
accept(
  "RFC 9110 §15.2",
  "an interim response before the tunnel of a CONNECT",
  `${HINTS}${OK}\r\nraw`,
  [{ status: 103, hasBody: false }, { status: 200, body: "raw" }],
  { methods: ["CONNECT"] },
);
accept(
  "RFC 9110 §15.2",
  "an interim response in HTTP/1.0",
  `HTTP/1.0 100\r\n\r\n${NEXT_RESPONSE}`,
  [
    { status: 100, version: "1.0" },
    next,
  ],
);
responseRow(
  "RFC 9112 §8",
  "an end behind an interim response",
  HINTS,
  [{ status: 103 }],
  null,
);

// Switched protocols.
accept(
  "RFC 9110 §7.8",
  "a 101, and the bytes behind it",
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${RAW}`,
  { status: 101, upgrade: "websocket", body: RAW, keepAlive: false },
);
accept(
  "RFC 9110 §7.8",
  "a 101 behind an interim response, with Upgrade in a list",
  `${HINTS}HTTP/1.1 101\r\nUpgrade: a/1\r\nConnection: keep-alive, upgrade\r\n\r\nraw`,
  [{ status: 103 }, { status: 101, upgrade: "a/1", body: "raw" }],
);
accept(
  "RFC 9110 §7.8",
  "a 426 that names protocols",
  `HTTP/1.1 426 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nno${NEXT_RESPONSE}`,
  [{ status: 426, upgrade: "h2c", body: "no", keepAlive: true }, next],
);
for (
  const [title, head] of [
    ["without Upgrade", "HTTP/1.1 101 X\r\nConnection: upgrade\r\n‸\r\n"],
    ["without Connection", "HTTP/1.1 101 X\r\nUpgrade: x\r\n‸\r\n"],
    ["without both", "HTTP/1.1 101 X\r\n‸\r\n"],
    [
      "in HTTP/1.0",
      "HTTP/1.0 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n‸\r\n",
    ],
    [
      "whose Upgrade is empty",
      "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: , \r\n‸\r\n",
    ],
    [
      "with an option like it",
      "HTTP/1.1 101 X\r\nConnection: upgrader\r\nUpgrade: x\r\n‸\r\n",
    ],
  ] as const
) {
  refuse("RFC 9110 §15.2.2", `a 101 ${title}`, `${head}raw`, "missing-upgrade");
}

// Persistence.
for (
  const [version, connection, keepAlive] of [
    ["1.1", "", true],
    ["1.1", "Connection: close\r\n", false],
    ["1.1", "Connection: CLOSE, x\r\n", false],
    ["1.1", "Connection: keep-alive\r\n", true],
    ["1.1", "Connection: keep-alive, close\r\n", false],
    ["1.1", "Connection: x\r\nConnection: close\r\n", false],
    ["1.0", "", false],
    ["1.0", "Connection: keep-alive\r\n", true],
    ["1.0", "Connection: Keep-Alive, close\r\n", false],
  ] as const
) {
  accept(
    "RFC 9112 §9.3",
    `${keepAlive ? "persistence" : "an end"} in HTTP/${version} with ${
      JSON.stringify(connection)
    }`,
    `HTTP/${version} 200 OK\r\n${connection}Content-Length: 0\r\n\r\n`,
    { keepAlive, version },
  );
}
