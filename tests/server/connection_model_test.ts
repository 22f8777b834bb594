/**
 * Random commands on a server with two connections in memory and one checked set of
 * pools, against a model.
 *
 * Clients send whole and partial requests, pipelined or not, take nothing for a while,
 * end or break off; handlers answer at once, later, by streams, by an upgrade, or fail;
 * the server shuts down or is aborted. After each command the requests at work read
 * what was sent, and in the end each client has got its answers in order and all memory
 * is back.
 *
 * A failure prints its seed and the shortest commands that show it.
 */

import fc from "fast-check";
import {
  type Client,
  type Handled,
  ServerModel,
  type Way,
  WAYS,
} from "../support/server_model.ts";
import { type Draft, draft } from "../support/sent_messages.ts";

/** A command: the model is all there is, since it owns what it models. */
class Step implements fc.AsyncCommand<ServerModel, object> {
  constructor(
    readonly name: string,
    readonly allowed: (model: ServerModel) => boolean,
    readonly act: (model: ServerModel) => void,
  ) {}

  check(model: Readonly<ServerModel>): boolean {
    return this.allowed(model as ServerModel);
  }

  async run(model: ServerModel): Promise<void> {
    this.act(model);
    await model.settle();
  }

  toString(): string {
    return this.name;
  }
}

const which = fc.constantFrom(0, 1);
// Streams can fill an output that is not taken.
const way = fc.constantFrom(...WAYS, "streams" as const, "streams" as const);
const message = fc.tuple(draft, way);

function show([{ framing, more, size, repeats }, way]: [Draft, Way]): string {
  return `${
    repeats ? "the same " : ""
  }request with ${framing}, ${more} fields, ` +
    `${size} bytes, whose handler ${way}`;
}

/** Sends messages, and `count` bytes of what is to be sent. */
function sending(
  messages: fc.Arbitrary<[Draft, Way][]>,
  count: fc.Arbitrary<number>,
): fc.Arbitrary<Step> {
  return fc.tuple(which, messages, count).map(([index, all, count]) =>
    new Step(
      `client ${index} sends ${all.map(show).join(" and ")}: ${count} bytes`,
      (model) => model.client(index).open,
      (model) => {
        const client = model.client(index);
        for (const [draft, way] of all) {
          if (client.open) model.send(client, draft, way);
        }
        client.give(count);
      },
    )
  );
}

function onClient(
  name: string,
  allowed: (client: Client) => boolean,
  act: (client: Client) => void,
): fc.Arbitrary<Step> {
  return which.map((index) =>
    new Step(
      `client ${index} ${name}`,
      (model) => allowed(model.client(index)),
      (model) => act(model.client(index)),
    )
  );
}

/** A command on one of the requests that the model finds. */
function onHandled(
  name: string,
  find: (model: ServerModel, index: number) => Handled | undefined,
  act: (model: ServerModel, handled: Handled, size: number) => void,
): fc.Arbitrary<Step> {
  return fc.tuple(fc.nat(3), fc.constantFrom(1, 100, 5000, 40_000, 40_000)).map(
    (
      [index, size],
    ) =>
      new Step(
        `${name} ${index} (${size})`,
        (model) => find(model, index) !== undefined,
        (model) => act(model, find(model, index)!, size),
      ),
  );
}

const all = fc.constant(Infinity);
const some = fc.oneof(fc.nat(80), fc.constantFrom(600, 2048, 16_384));
const alone = message.map((one) => [one]);
const pipelined = fc.array(message, { minLength: 2, maxLength: 4 });

const ends = fc.oneof(
  onClient(
    "ends",
    ({ ended, broken }) => !ended && !broken,
    (client) => client.end(),
  ),
  onClient(
    "breaks off",
    ({ ended, broken }) => !ended && !broken,
    (client) => client.fail(),
  ),
  fc.constant(
    new Step(
      "shutdown",
      ({ stopped }) => !stopped,
      (model) => model.shutDown(),
    ),
  ),
  fc.constant(
    new Step("abort", ({ stopped }) => !stopped, (model) => model.abort()),
  ),
);

const waiting = (model: ServerModel, index: number) => model.waiting(index);
const streaming = (model: ServerModel, index: number) => model.streaming(index);
const upgraded = (model: ServerModel, index: number) => model.upgraded(index);

const COMMANDS = [
  sending(alone, all),
  sending(alone, all),
  sending(alone, some),
  sending(pipelined, all),
  sending(pipelined, some),
  onClient(
    "sends the rest",
    ({ ended, given, wire }) => !ended && given < wire.length,
    (client) => client.give(Infinity),
  ),
  onClient("takes nothing", () => true, ({ conn }) => conn.hold()),
  onClient("takes all", () => true, ({ conn }) => conn.letGo()),
  ends,
  onHandled("answer", waiting, (_model, { answer }) => answer.resolve()),
  onHandled("answer", waiting, (_model, { answer }) => answer.resolve()),
  onHandled("rejection", waiting, (model, handled) => model.reject(handled)),
  onHandled(
    "chunk of stream",
    streaming,
    (model, handled, size) => model.emit(handled, size),
  ),
  onHandled(
    "chunk of stream",
    streaming,
    (model, handled, size) => model.emit(handled, size),
  ),
  onHandled(
    "end of stream",
    streaming,
    (model, handled) => model.closeStream(handled),
  ),
  onHandled(
    "failure of stream",
    streaming,
    (model, handled) => model.failStream(handled),
  ),
  onHandled(
    "raw write",
    upgraded,
    (model, handled, size) => model.write(handled, size),
  ),
  onHandled("raw end", upgraded, (model, handled) => model.endRaw(handled)),
  onHandled("raw abort", upgraded, (model, handled) => model.abortRaw(handled)),
];

Deno.test("a server does what a model says, whatever its clients and handlers do", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(COMMANDS, { maxCommands: 40, size: "max" }),
      fc.boolean(),
      async (commands, abort) => {
        const model = new ServerModel();
        // Both connections are accepted first: until then they are the source's.
        await model.settle();
        await fc.asyncModelRun(() => ({ model, real: {} }), commands);
        await model.finish(abort);
      },
    ),
    { numRuns: 300 },
  );
});
