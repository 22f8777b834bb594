/**
 * Random commands on two parsers of one checked set of pools, against a model.
 *
 * Pushes of whole messages and of parts, requests, reads of bodies, releases early,
 * late and twice, faults and ends come in any order. After each command every live
 * request reads what was sent, and the counts of the pools are what the model says.
 *
 * A failure prints its seed and the shortest commands that show it.
 */

import { assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Feed,
  type Given,
  ParserModel,
  REQUESTS,
  RESPONSES,
} from "../support/parser_model.ts";
import { type Draft, draft } from "../support/sent_messages.ts";

/** A command: the model is all there is, since it owns what it models. */
class Step implements fc.AsyncCommand<ParserModel, object> {
  constructor(
    readonly name: string,
    readonly allowed: (model: ParserModel) => boolean,
    readonly act: (model: ParserModel) => void,
  ) {}

  check(model: Readonly<ParserModel>): boolean {
    return this.allowed(model as ParserModel);
  }

  async run(model: ParserModel): Promise<void> {
    this.act(model);
    await model.settle();
  }

  toString(): string {
    return this.name;
  }
}

/** A command on one of the parsers. */
function onFeed(
  name: string,
  allowed: (feed: Feed) => boolean,
  act: (model: ParserModel, feed: Feed) => void,
): fc.Arbitrary<Step> {
  return fc.constantFrom(0, 1).map((index) =>
    new Step(
      `${name} of parser ${index}`,
      (model) => allowed(model.feed(index)),
      (model) => act(model, model.feed(index)),
    )
  );
}

/** A command on one of the live requests. */
function onGiven(
  name: string,
  allowed: (given: Given) => boolean,
  act: (model: ParserModel, given: Given) => void,
): fc.Arbitrary<Step> {
  return fc.nat(20).map((index) =>
    new Step(`${name} of live request ${index}`, (model) => {
      const given = model.given(index);
      return given !== undefined && allowed(given);
    }, (model) => act(model, model.given(index)!))
  );
}

const sendable = (feed: Feed) => !feed.ended && !feed.faulty;

const whole = fc.tuple(draft, fc.constantFrom(0, 1)).map(([message, index]) =>
  new Step(
    `push ${show(message)} to parser ${index}`,
    (model) => sendable(model.feed(index)),
    (model) => {
      const feed = model.feed(index);
      model.send(feed, message);
      feed.push(Infinity);
    },
  )
);

const part = fc.tuple(
  draft,
  fc.constantFrom(0, 1),
  fc.oneof(fc.nat(80), fc.constantFrom(600, 2048, 16_384, 65_536)),
).map(([message, index, count]) =>
  new Step(
    `send ${show(message)}, and push ${count} bytes to parser ${index}`,
    (model) => sendable(model.feed(index)),
    (model) => {
      const feed = model.feed(index);
      model.send(feed, message);
      feed.push(count);
    },
  )
);

const more = fc.tuple(
  fc.constantFrom(0, 1),
  fc.oneof(fc.nat(80), fc.constantFrom(600, 2048, 16_384, Infinity)),
).map(([index, count]) =>
  new Step(
    `push ${count} bytes to parser ${index}`,
    (model) => !model.feed(index).ended,
    (model) => model.feed(index).push(count),
  )
);

function show({ framing, method, more, size, repeats }: Draft): string {
  return `${repeats ? "the same " : ""}${method} with ${framing}, ` +
    `${more} fields, ${size} bytes`;
}

const next = onFeed("next", () => true, (model, feed) => model.next(feed));

// Ends are rare, so that much is done before.
const ends = fc.oneof(
  onFeed("end", (feed) => !feed.ended, (_model, feed) => feed.end()),
  onFeed(
    "disposal",
    (feed) => !feed.disposed,
    (_model, feed) => feed.dispose(),
  ),
  onFeed("late push", (feed) => feed.ended, (_model, { parser }) => {
    assertThrows(() => parser.push(new Uint8Array(1)), TypeError);
  }),
);

const COMMANDS = [
  whole,
  whole,
  whole,
  part,
  part,
  more,
  more,
  next,
  next,
  next,
  next,
  ends,
  onGiven("reading", () => true, (model, given) => model.read(given)),
  onGiven("release", () => true, (model, given) => model.release(given)),
  onGiven("release", () => true, (model, given) => model.release(given)),
  onGiven("double release", () => true, (model, given) => {
    model.release(given);
    given.request.release();
  }),
  fc.nat(20).map((index) =>
    new Step(
      `late release of request ${index}`,
      ({ released }) => released.length > 0,
      (model) => model.releaseAgain(index),
    )
  ),
  onGiven("bytes()", () => true, (model, given) => model.gather(given)),
  onGiven(
    "a read of the stream",
    (given) =>
      given.hasBody &&
      (given.use === "unused" || given.use === "streamed") &&
      given.reads?.settled !== "not yet",
    (model, given) => model.stream(given, 1),
  ),
  onGiven(
    "all reads of the stream",
    (given) =>
      given.hasBody &&
      (given.use === "unused" || given.use === "streamed") &&
      given.reads?.settled !== "not yet",
    (model, given) => model.stream(given, Infinity),
  ),
  onGiven(
    "cancel",
    (given) => given.use === "streamed",
    (model, given) => model.cancel(given),
  ),
];

for (const side of [REQUESTS, RESPONSES]) {
  Deno.test(`${side.what}, bodies and pools are what a model says, whatever is done in any order`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.commands(COMMANDS, { maxCommands: 60, size: "max" }),
        fc.boolean(),
        async (commands, parsersFirst) => {
          const model = new ParserModel(side);
          await fc.asyncModelRun(() => ({ model, real: {} }), commands);
          await model.finish(parsersFirst);
        },
      ),
      { numRuns: 300 },
    );
  });
}
