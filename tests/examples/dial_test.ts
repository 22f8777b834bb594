/**
 * Look-ups of names that clients choose: they hold no thread, end with the client, and
 * one record that does not come costs no other.
 */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { lookup } from "node:dns/promises";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { dial, lookUpInDns } from "../../examples/shared/dial.ts";
import { Refusal } from "../../examples/shared/refusal.ts";
import { sanitized, until } from "../support/waiting.ts";

const A = 1;
const AAAA = 28;

/** A name server that gives each question to `answer`: the address in bytes, or `null` to stay silent. */
class NameServer implements AsyncDisposable {
  questions = 0;
  readonly #socket: Socket = createSocket("udp4");

  constructor(answer: (type: number) => Uint8Array | null) {
    this.#socket.on("message", (question, from) => {
      this.questions++;
      // The header, the labels of the name, the type and the class.
      const end = question.indexOf(0, 12) + 5;
      const address = answer(question.readUInt16BE(end - 4));
      if (address === null) return;
      const head = Uint8Array.from(question.subarray(0, end));
      // A response with one answer, or none, and no further records.
      head.set(
        [0x81, 0x80, 0, 1, 0, Math.min(address.length, 1), 0, 0, 0, 0],
        2,
      );
      const record = address.length === 0 ? [] : [
        ...[0xc0, 12, ...question.subarray(end - 4, end)],
        ...[0, 0, 0, 60, 0, address.length, ...address],
      ];
      this.#socket.send(Uint8Array.from([...head, ...record]), from.port);
    });
  }

  async options() {
    this.#socket.bind(0, "127.0.0.1");
    await once(this.#socket, "listening");
    const { port } = this.#socket.address();
    return { nameServer: { ipAddr: "127.0.0.1", port } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

const FOUR = Uint8Array.of(192, 0, 2, 7);
const SIX = Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 9);
const NONE = new Uint8Array(0);

sanitized("dial: the addresses of a name in DNS", async () => {
  const { signal } = new AbortController();
  for (
    const [four, six, expected] of [
      [FOUR, SIX, ["192.0.2.7", "2001:db8::9"]],
      [FOUR, NONE, ["192.0.2.7"]],
      [NONE, SIX, ["2001:db8::9"]],
      [NONE, NONE, []],
      // An address that is known waits for no other.
      [FOUR, null, ["192.0.2.7"]],
    ] as const
  ) {
    await using server = new NameServer((type) =>
      type === A ? four : type === AAAA ? six : NONE
    );
    const options = await server.options();
    const found = await lookUpInDns("name.example", signal, options);
    assertEquals(found, [...expected]);
    assertEquals(server.questions, 2);
  }
  for (const address of ["127.0.0.1", "::1"]) {
    assertEquals(await lookUpInDns(address, signal), [address]);
  }
});

sanitized(
  "dial: a name server that never answers holds up no other look-up",
  async () => {
    await using server = new NameServer(() => null);
    const options = await server.options();
    const cut = new AbortController();
    const waiting = Array.from({ length: 100 }, (_, i) =>
      assertRejects(
        () =>
          dial(`${i}.example`, 80, {
            milliseconds: 60_000,
            signal: cut.signal,
            lookUp: (name, signal) => lookUpInDns(name, signal, options),
          }),
        Error,
        "enough",
      ));
    await until(() => server.questions >= 200, "the questions");
    assert((await lookup("localhost", { all: true })).length > 0);
    cut.abort(new Error("enough"));
    await Promise.all(waiting);
  },
);

sanitized("dial: a host without an address is a 502", async () => {
  const refused = await assertRejects(
    () =>
      dial("name.example", 80, {
        milliseconds: 60_000,
        lookUp: () => Promise.resolve([]),
      }),
    Refusal,
  );
  assertEquals(refused.status, 502);
});
