/**
 * Connection, Upgrade, Expect and CONNECT (RFC 9112 §9, RFC 9110 §7.6.1, §7.8, §10.1.1,
 * §9.3.6).
 */

import { accept, GET, POST, refuse } from "./table.ts";

for (
  const [version, lines, keepAlive] of [
    ["1.1", ["keep-alive"], true],
    ["1.1", ["close"], false],
    ["1.1", ["CLOSE"], false],
    ["1.1", ["Close"], false],
    ["1.1", ["Keep-Alive"], true],
    ["1.1", [""], true],
    ["1.1", ["closed"], true],
    ["1.1", ["clos"], true],
    ["1.1", ["close x"], true],
    ["1.1", ["x"], true],
    ["1.1", ["x, close"], false],
    ["1.1", ["close, x"], false],
    ["1.1", ["close,"], false],
    ["1.1", [",close"], false],
    ["1.1", [" , ,\tclose\t , "], false],
    ["1.1", ["keep-alive, close"], false],
    ["1.1", ["close, keep-alive"], false],
    ["1.1", ["keep-alive", "close"], false],
    ["1.1", ["close", "keep-alive"], false],
    ["1.1", ["x", "", "y,CLOSE"], false],
    ["1.1", ['"close"'], true],
    ["1.1", ["close;a"], true],
    ["1.0", [], false],
    ["1.0", ["keep-alive"], true],
    ["1.0", ["KEEP-ALIVE"], true],
    ["1.0", ["x, Keep-Alive"], true],
    ["1.0", ["keep-alive", "x"], true],
    ["1.0", ["keep-alive, close"], false],
    ["1.0", ["keep-alive", "close"], false],
    ["1.0", ["close"], false],
    ["1.0", ["keep-alivE, keep"], true],
    ["1.0", ["keep_alive"], false],
    ["1.0", ["keepalive"], false],
    ["1.0", ["keep-alive x"], false],
    ["1.0", ["x"], false],
  ] as [string, string[], boolean][]
) {
  accept(
    "RFC 9112 §9.3",
    `Connection: ${JSON.stringify(lines)} in HTTP/${version}`,
    `GET / HTTP/${version}\r\nHost: a\r\n${
      lines.map((line) => `Connection: ${line}\r\n`).join("")
    }\r\n`,
    { keepAlive, upgrade: null },
  );
}

// RFC 9110 §7.8: Upgrade.

for (
  const [title, lines, upgrade] of [
    ["confirmed", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"],
    [
      "confirmed in a list",
      "Upgrade: websocket\r\nConnection: keep-alive, UPGRADE\r\n",
      "websocket",
    ],
    [
      "confirmed on the second line",
      "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n",
      "websocket",
    ],
    [
      "a list of protocols",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, foo/1\r\nHTTP2-Settings: x\r\n",
      "h2c, foo/1",
    ],
    [
      "two lines are one list",
      "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
      "h2c, websocket",
    ],
    ["not confirmed", "Upgrade: websocket\r\n", null],
    [
      "not confirmed but kept alive",
      "Connection: keep-alive\r\nUpgrade: websocket\r\n",
      null,
    ],
    ["confirmed and not there", "Connection: Upgrade\r\n", null],
    ["a near word", "Connection: upgrades\r\nUpgrade: websocket\r\n", null],
    ["no protocol", "Connection: upgrade\r\nUpgrade: ,\t,\r\n", null],
  ] as const
) {
  accept("RFC 9110 §7.8", `Upgrade ${title}`, `${GET}${lines}\r\n`, {
    upgrade,
    keepAlive: true,
  });
}
accept(
  "RFC 9110 §7.8",
  "Upgrade in HTTP/1.0 is ignored",
  "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  { upgrade: null },
);
accept(
  "RFC 9110 §7.8",
  "Upgrade with a body",
  `${POST}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi`,
  { upgrade: "h2c", body: "hi" },
);

// RFC 9110 §10.1.1: Expect.

for (
  const [title, version, line, expectContinue] of [
    ["100-continue", "1.1", "Expect: 100-continue\r\n", true],
    ["100-Continue", "1.1", "expect:100-CONTINUE \r\n", true],
    [
      "100-continue in HTTP/1.0 is ignored",
      "1.0",
      "Expect: 100-continue\r\n",
      false,
    ],
    ["something else", "1.1", "Expect: 200-ok\r\n", false],
    ["nearly", "1.1", "Expect: 100-continue!\r\n", false],
    ["nothing", "1.1", "Expect:\r\n", false],
    ["none", "1.1", "", false],
  ] as const
) {
  accept(
    "RFC 9110 §10.1.1",
    `Expect: ${title}`,
    `POST / HTTP/${version}\r\nHost: a\r\n${line}Content-Length: 2\r\n\r\nhi`,
    { expectContinue, body: "hi" },
  );
}

// RFC 9110 §9.3.6: CONNECT.

accept(
  "RFC 9110 §9.3.6",
  "CONNECT",
  "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
  { method: "CONNECT", contentLength: null, chunked: false, body: "" },
);
refuse(
  "RFC 9110 §9.3.6",
  "CONNECT with a length",
  "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n‸Content-Length: 2\r\n\r\nhi",
  "connect-with-body",
);
refuse(
  "RFC 9110 §9.3.6",
  "CONNECT in chunks",
  "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "connect-with-body",
);
