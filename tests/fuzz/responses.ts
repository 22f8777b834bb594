/**
 * Generates responses by their structure, as `messages.ts` generates requests.
 *
 * @module
 */

import fc from "fast-check";
import {
  connection,
  eol,
  framing,
  gap,
  join,
  mostly,
  plain,
  upgrade,
} from "./messages.ts";
import { mutated } from "./mutations.ts";

/** An input, and the methods of the requests that its responses answer. */
export interface Answers {
  wire: string;
  /** GET where there are no more. */
  methods: readonly string[];
}

const version = mostly(14, ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"], [
  ...["HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10", "HTTP/01.1"],
  ...["HTTP/1", "HTTP/1.", "HTTP/2", "http/1.1", "Http/1.1", "HTTP /1.1", ""],
  ...[
    " HTTP/1.1",
    "\r\nHTTP/1.1",
    "ICY",
    "RTSP/1.0",
    "HTTPS/1.1",
    "HTTP/\xb9.1",
  ],
]);
const status = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      ...["200", "200", "200", "201", "204", "206", "301", "304", "404", "500"],
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom("100", "101", "102", "103", "199", "205", "299"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["099", "000", "600", "999", "20", "2", "", "2000", "0200", "+20"],
      ...[
        "-20",
        "2O0",
        "20\xb2",
        "200.",
        "0x1",
        "1e2",
        "two",
        "\t200",
        "200\t",
      ],
    ),
  },
);
const reason = mostly(10, [" OK", " OK", " Not Found", " ", ""], [
  ..."  OK| OK | a\tb| \xe4\xff| 200|OK|\tOK| a:b| \0| a\x01| \x7f| HTTP/1.1 404"
    .split("|"),
  ...[" O\rK", " O\nK", ` ${"r".repeat(9000)}`],
]);
const statusLine = join(version, gap, status, reason, eol);

const section = fc.oneof(
  { weight: 6, arbitrary: fc.array(plain, { maxLength: 2 }) },
  { weight: 2, arbitrary: fc.tuple(connection) },
  { weight: 2, arbitrary: fc.tuple(connection, upgrade) },
  {
    weight: 2,
    arbitrary: fc.constant(["Connection: upgrade\r\n", "Upgrade: x\r\n"]),
  },
);

const response = fc.tuple(statusLine, section, framing, fc.nat(5), eol)
  .map(([first, others, [frame, body], turn, end]) => {
    const lines = [...others, ...frame];
    const at = turn % (lines.length + 1);
    return first + [...lines.slice(at), ...lines.slice(0, at)].join("") + end +
      body;
  });

const follower = fc.constantFrom(
  "HTTP/1.1 299 Next\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 299 Next\r\nContent-Length: 2\r\n\r\nok",
  "",
);

const wires = fc.tuple(
  fc.array(response, { minLength: 1, maxLength: 3 }),
  follower,
).map(([all, next]) => all.join("") + next);

/** Answers to a few requests, half of them changed in one to three places. */
export const answers: fc.Arbitrary<Answers> = fc.record({
  wire: mutated(wires),
  methods: fc.array(
    fc.constantFrom("GET", "GET", "GET", "POST", "HEAD", "HEAD", "CONNECT"),
    { maxLength: 3 },
  ),
});
