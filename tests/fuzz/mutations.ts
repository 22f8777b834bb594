/**
 * Mutates wires byte by byte, line by line, and by splicing two of them.
 *
 * @module
 */

import fc from "fast-check";

const INSERTED = [
  ...["\r", "\n", "\r\n", "\n\n", "\r\n\r\n", " ", "\t", ":", ",", ";", "="],
  ...['"', "\\", "\0", "\x0b", "\x7f", "\x80", "\xff", "\xa0", "0", "5", "a"],
  ...["F", "-", "+", "#", "%", "*", "/", "?", "HTTP/1.1", "chunked", "close"],
  ...["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"],
  ...["Content-Length: 0\r\n", "Host: a\r\n", "X:\r\n y\r\n", "\r\nX: y"],
];

/** One change of a wire, at a place modulo its length. */
interface Mutation {
  at: number;
  removed: number;
  inserted: string;
  /** What is doubled instead: nothing, the line at the place, or the rest from there. */
  doubled: "" | "line" | "rest";
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(),
  removed: fc.constantFrom(0, 0, 0, 1, 1, 2, 5, 30),
  inserted: fc.oneof(
    { weight: 1, arbitrary: fc.constant("") },
    { weight: 4, arbitrary: fc.constantFrom(...INSERTED) },
    {
      weight: 1,
      arbitrary: fc.nat(255).map((byte) => String.fromCharCode(byte)),
    },
  ),
  doubled: fc.constantFrom("", "", "", "", "line", "rest"),
});

function mutate(wire: string, { at, removed, inserted, doubled }: Mutation) {
  const place = at % (wire.length + 1);
  if (doubled === "rest") return wire + wire.slice(place);
  if (doubled === "line") {
    const start = wire.lastIndexOf("\n", place - 1) + 1;
    const end = wire.indexOf("\n", place) + 1;
    const line = end === 0 ? wire.slice(start) : wire.slice(start, end);
    return wire.slice(0, start) + line + wire.slice(start);
  }
  return wire.slice(0, place) + inserted + wire.slice(place + removed);
}

/** Wires of `base`, half of them changed in one to three places. */
export function mutated(base: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(
    base,
    fc.oneof(
      fc.constant<Mutation[]>([]),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
    ),
  ).map(([wire, mutations]) => mutations.reduce(mutate, wire));
}
