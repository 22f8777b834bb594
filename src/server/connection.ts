/**
 * One connection: parse, handle, answer, in order, until either side has enough.
 *
 * `#run` is the loop. It takes requests out of the machine as long as there are any
 * and each is answered at once, and only then writes and reads: so a window of
 * pipelined requests costs one write and one read. A handler that takes its time
 * holds the loop; the end of its exchange resumes it. No write is awaited.
 *
 * While a handler works, the input is read ahead, so that the end of it is noticed:
 * into the window where that is empty, else aside and up to a bound. Past the bound
 * nobody can tell whether the client is still there, and past the end of the input
 * neither: it may have closed its side only. An exchange that stays in that state for
 * `idleTimeout` is given up.
 *
 * A connection ends in one of two ways. `#leave` says goodbye: everything is
 * written, the output is ended, and the input read on for a while, since a close
 * with bytes unread makes a reset that may overtake the last response. `destroy`
 * ends it at once. A handler that is still at work then keeps the memory of its
 * request, and nothing else.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import { READ_AHEAD } from "../memory/sizes.ts";
import { Machine } from "../message/machine.ts";
import { MisuseError } from "../message/misuse.ts";
import type { PooledRequest } from "../message/request.ts";
import type { Consumer } from "../message/byte_source.ts";
import { CONNECT } from "../wire/names.ts";
import { BODY_TIMEOUT, HEAD_TIMEOUT } from "../wire/refusals.ts";
import { refreshDate } from "./date.ts";
import { Exchange, type ExchangeOwner } from "./exchange.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import { Output, type OutputOwner } from "./output.ts";
import { EncodedResponse } from "./prepared_response.ts";
import { UpgradedConnection } from "./upgrade.ts";
import type { HttpResponse } from "./response.ts";
import type { Registered, Registry } from "./registry.ts";
import { type Awaited, endedError, silentError, Wait } from "./timeouts.ts";
import {
  type Conn,
  ConnTransport,
  type Duplex,
  isConn,
  StreamTransport,
  type Transport,
} from "./transport.ts";

/**
 * Requests are answered; the last response is on its way out; the output is ended
 * and the input read to its end; the connection was handed over; it is closed.
 */
type Phase = "open" | "leaving" | "lingering" | "raw" | "closed";

/** Milliseconds that a client may take to end a connection that we have ended. */
const LINGER = 2000;

/** Milliseconds that a stream may be silent once the client's input has ended. */
const SILENCE = 500;

/** Turns of the microtask queue that a write waits for the next response. */
const PATIENCE = 6;

/** A connection that is served. */
export class Connection
  implements Consumer, ExchangeOwner, OutputOwner, Registered {
  readonly machine: Machine;
  readonly output: Output;
  readonly info: ConnectionInfo;
  readonly handler: Handler;
  /** Requests so far. */
  requests = 0;
  /** Resolves when HTTP is over here: the connection has closed, or was handed over. */
  readonly done: Promise<void>;

  readonly #registry: Registry;
  readonly #transport: Transport;
  readonly #exchange: Exchange = new Exchange(this);
  readonly #done = Promise.withResolvers<void>();
  #phase: Phase = "open";
  /** Whether another request may follow. Sticky: once false, stays false. */
  #persists = true;
  #running = false;
  /** Whether requests wait until the client has taken some of the output. */
  #stopped = false;
  /** Bytes of the input that count when the server shuts down: what had arrived. */
  #lastByte = Infinity;
  /** Bytes of the input when the rest of a body began to be thrown away. */
  #drainedFrom = 0;
  /** Why the client is gone. */
  #gone: unknown = undefined;
  /** The refusal that was counted last. */
  #counted: unknown = null;
  #raw: UpgradedConnection | null = null;

  #flushing = false;
  #flushMark = 0;
  #flushTurns = 0;

  readonly #wait = new Wait();
  readonly #writeWait = new Wait();

  constructor(
    registry: Registry,
    connection: Conn | Duplex,
    remoteAddr: Deno.Addr | null = null,
  ) {
    this.#registry = registry;
    this.handler = registry.handler;
    this.machine = new Machine(registry.options);
    this.machine.demand = () => this.#demandBody();
    const direct = isConn(connection);
    this.#transport = direct
      ? new ConnTransport(connection, this.machine, this)
      : new StreamTransport(connection, this.machine, this);
    this.output = new Output(
      this.machine.pools.slabs,
      (bytes) => this.#transport.write(bytes),
      this,
    );
    const known = connection as Partial<Deno.Conn>;
    this.machine.secure = "handshake" in connection;
    this.info = {
      remoteAddr: remoteAddr ?? known.remoteAddr ?? null,
      localAddr: known.localAddr ?? null,
      secure: this.machine.secure,
    };
    this.done = this.#done.promise;
    registry.add(this);
  }

  /** Begins, with bytes that were read from the connection before. */
  start(received?: Uint8Array): void {
    if (this.#phase !== "open") return;
    if (received !== undefined) this.machine.push(received);
    this.#run();
  }

  get closed(): boolean {
    return this.#phase === "closed";
  }

  get received(): number {
    return this.machine.received;
  }

  get sent(): number {
    return this.output.sent;
  }

  // ------------------------------------------------------------------- requests

  /** Answers what is there, and sees to it that more comes. */
  #run(): void {
    if (this.#running || this.#phase !== "open") return;
    this.#running = true;
    this.#stopped = false;
    refreshDate();
    const { machine, output } = this;
    const exchange = this.#exchange;
    try {
      while (exchange.request === null && this.#phase === "open") {
        if (output.full) {
          this.#stopped = true;
          break;
        }
        if (this.#registry.shuttingDown && this.#nothingLeftToAnswer()) {
          this.#leave();
          break;
        }
        const request = machine.next();
        if (request !== null) {
          this.requests++;
          if (this.#transport.ended) request.abort(this.#gone ??= endedError());
          exchange.begin(request);
        } else if (!this.#readOn()) break;
      }
    } catch (error) {
      this.#refuse(error);
    }
    this.#running = false;
    if (exchange.request === null) output.flush();
    else {
      this.flushSoon();
      if (machine.unread === 0) this.#watch();
    }
  }

  /** The machine ran dry. Gives whether there are bytes again. */
  #readOn(): boolean {
    const { machine } = this;
    if (
      machine.finished || (machine.body.active && this.#hasDrainedEnough())
    ) {
      this.#leave();
      return false;
    }
    // The write goes first: nobody sends the next request before it.
    this.output.flush();
    if (machine.idle) machine.window.rest();
    return this.#transport.demand();
  }

  /** Reads while a handler works, so that a client that leaves is noticed. */
  #watch(): void {
    const { machine } = this;
    if (this.#exchange.request === null || this.#phase !== "open") return;
    // What follows a fault is read by nobody, and without a bound.
    if (machine.error !== null) return;
    if (machine.unread === 0) {
      if (machine.idle) machine.window.rest();
      this.#transport.demand();
    } else {
      while (
        machine.unread <= READ_AHEAD && this.#transport.readAhead()
      );
    }
  }

  /** Response and handler are done: the exchange is over. */
  exchanged(request: PooledRequest, bodyComes: boolean): void {
    const { body } = this.machine;
    // A handler may have kept to itself that the body was too large.
    if (body.refused !== null) this.count(body.refused);
    this.machine.release(request);
    if (body.active) {
      this.#drainedFrom = this.machine.received;
      if (!this.#canDrain(bodyComes)) this.#persists = false;
    }
    if (this.#phase !== "open") return;
    if (!this.#persists) this.#leave();
    else if (!this.#running) this.#run();
  }

  /** Whether the rest of the body can be read on, for the next request's sake. */
  #canDrain(bodyComes: boolean): boolean {
    // A client that waits for its 100 may send the body or not: nobody can tell.
    return bodyComes &&
      this.machine.body.decoder.mostRemaining <= this.#registry.limits.maxDrain;
  }

  #hasDrainedEnough(): boolean {
    return this.machine.received - this.#drainedFrom >
      this.#registry.limits.maxDrain;
  }

  /** The next message was refused. */
  #refuse(error: unknown): void {
    if (!(error instanceof HttpError)) {
      this.#registry.report(error, null);
      return this.destroy(error);
    }
    this.count(error);
    // A body at fault belongs to a request that was answered.
    if (!this.machine.errorInBody && error.code !== "unexpected-eof") {
      const { status, message } = error;
      new EncodedResponse({ status, body: `${message}\n` })
        .appendTo(this.output, "close", false);
    }
    this.#leave();
  }

  // ------------------------------------------------- what the exchange asks for

  count(error: HttpError): void {
    if (error === this.#counted) return;
    this.#counted = error;
    this.#registry.refused(error.code);
  }

  report(error: unknown, res: HttpResponse | null): void {
    // To stop with the reason of the signal is right.
    if (this.#gone !== undefined && error === this.#gone) return;
    this.#registry.report(error, res);
  }

  decidePersistence(close: boolean, whole: boolean): boolean {
    const { machine } = this;
    const { framing, line } = this.#exchange.request!;
    const { maxRequests } = this.#registry.limits;
    // A response outside the turn of its window has a Date of its own.
    if (!this.#running) refreshDate();
    if (
      close || !framing.keepAlive || this.requests >= maxRequests ||
      machine.error !== null ||
      // What a refused client sends next may be meant for the tunnel.
      line.method === CONNECT ||
      (this.#registry.shuttingDown && this.#nothingLeftToAnswer()) ||
      // A stream may still be made of the body; a whole response is not.
      (machine.body.active && (whole || machine.body.unread) &&
        !this.#canDrain(this.#exchange.bodyComes))
    ) this.#persists = false;
    return this.#persists;
  }

  forbidNext(): void {
    this.#persists = false;
  }

  /** The handler reads the body, and there is none of it. */
  #demandBody(): boolean {
    const exchange = this.#exchange;
    if (
      exchange.mayContinue && this.machine.empty &&
      !this.output.closed
    ) exchange.sendContinue();
    return this.#transport.demand();
  }

  /**
   * Writes what has gathered, when no more responses come in this turn: as long as
   * handlers answer within it, their responses go out together. A handler that takes
   * longer is watched over.
   */
  flushSoon(): void {
    if (this.#running || this.#flushing) return;
    this.#flushing = true;
    this.#flushMark = this.requests;
    this.#flushTurns = 0;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    const { output } = this;
    if (this.#flushMark !== this.requests) {
      this.#flushMark = this.requests;
      this.#flushTurns = 0;
    }
    if (
      this.#exchange.request !== null && !output.full &&
      this.#flushTurns++ < PATIENCE
    ) return queueMicrotask(this.#flush);
    this.#flushing = false;
    output.flush();
    this.#watch();
  };

  handOver(): Duplex {
    const raw = this.#raw = new UpgradedConnection(
      this.machine,
      this.#transport,
      this.output,
      (reason) => this.#closeRaw(reason),
    );
    if (this.#phase === "open") {
      this.#phase = "raw";
      this.#registry.sweeper.delete(this);
      this.flushSoon();
      this.#done.resolve();
    } else raw.fail(this.#gone);
    return raw;
  }

  /** Both streams of a connection that was handed over are at their end. */
  #closeRaw(reason: unknown): void {
    if (reason !== undefined || this.#phase !== "raw") {
      return this.#close(reason);
    }
    this.#phase = "lingering";
    this.#registry.sweeper.add(this);
    this.#linger();
  }

  takeBack(error: unknown): void {
    this.#raw!.fail(error);
  }

  // ----------------------------------------------------- what the transport says

  /** Bytes came, or the input ended. */
  wake(): void {
    try {
      this.#wake();
    } catch (error) {
      // A fault of this module's or of a stream's; it ends no more than a connection.
      this.#registry.report(error, null);
      this.destroy(error);
    }
  }

  #wake(): void {
    switch (this.#phase) {
      case "open":
        if (this.#transport.ended && this.#exchange.request !== null) {
          this.#abort(endedError());
        }
        this.machine.body.progress();
        if (this.#exchange.request === null) return this.#run();
        return this.#watch();
      case "lingering":
        return this.#linger();
      case "raw":
        return this.#raw!.wake();
    }
  }

  /** The input failed. */
  fail(error: unknown): void {
    // What a transport of the program's own does wrong is no client's doing.
    if (error instanceof MisuseError) this.#registry.report(error, null);
    this.destroy(error);
  }

  /** A write is done. */
  written(): void {
    if (this.#stopped) this.#run();
  }

  /** The client takes nothing more. */
  writeFailed(error: unknown): void {
    this.fail(error);
  }

  // ------------------------------------------------------------------------ end

  /** The server shuts down: what has arrived is answered, and nothing after it. */
  shutDown(): void {
    if (this.#phase !== "open") return;
    if (this.#nothingLeftToAnswer() && this.#exchange.request === null) {
      this.#leave();
    }
  }

  /**
   * Whether no whole request is left to answer among the bytes received before the
   * shutdown. The first call fixes that point.
   */
  #nothingLeftToAnswer(): boolean {
    const { machine } = this;
    if (this.#lastByte === Infinity) this.#lastByte = machine.received;
    return !machine.holdsRequest(this.#lastByte);
  }

  /** Says goodbye: all that was answered is sent, and nothing else is read. */
  #leave(): void {
    if (this.#phase !== "open") return;
    this.#phase = "leaving";
    this.output.empty()
      .then(() => this.#transport.end())
      .then(() => {
        if (this.#phase !== "leaving") return;
        this.#phase = "lingering";
        this.#linger();
      })
      .catch((error) => this.destroy(error));
  }

  #linger(): void {
    if (this.#transport.ended) this.#close(undefined);
    else this.#transport.discard();
  }

  /** Ends the connection at once: the client is gone, or nobody wants it. */
  destroy(reason: unknown): void {
    if (this.#phase === "closed") return;
    // Streams fail with the reason of the signal: report() knows it as no program's error.
    this.#abort(reason ?? new TypeError("the connection was closed"));
    reason = this.#gone;
    if (this.#phase === "raw") this.#raw!.fail(reason);
    else this.#close(reason);
  }

  /** The request that is being answered has lost its client. */
  #abort(reason: unknown): void {
    this.#gone ??= reason;
    this.#exchange.request?.abort(this.#gone);
  }

  /**
   * Closes the connection and gives everything back, but for what somebody may still
   * use: the request of a handler at work, and the bytes of a write under way.
   */
  #close(reason: unknown): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    const why = reason ?? new TypeError("the connection was closed");
    this.#transport.close(why);
    this.output.close(why);
    this.machine.close(why);
    this.#exchange.abort(why);
    this.#registry.sweeper.delete(this);
    this.#registry.delete(this);
    this.#done.resolve();
  }

  /** Whether reads keep the program running. */
  keepAlive(keeps: boolean): void {
    this.#transport.keepAlive(keeps);
  }

  // ------------------------------------------------------------------- timeouts

  /** Looks whether the client has kept us waiting for too long. */
  sweep(): void {
    const { sweeper, limits } = this.#registry;
    this.#sweepOutput();
    const awaited = this.#awaits();
    const sweeps = this.#wait.sweeps(awaited, this.#markOf(awaited));
    const after = (limit: number) => sweeps > sweeper.sweepsIn(limit);
    switch (awaited) {
      case "nothing":
        return;
      case "head":
        if (!after(limits.headTimeout)) return;
        // A client that has sent nothing at all has asked for no answer.
        if (this.machine.received === 0) this.#leave();
        else this.#refuse(this.machine.timeOut(HEAD_TIMEOUT));
        return;
      case "body":
        if (after(limits.bodyTimeout)) this.#timeOutBody();
        return;
      case "request":
        if (after(limits.idleTimeout)) this.#leave();
        return;
      case "close":
        if (after(LINGER)) this.#close(undefined);
        return;
      case "sign of life":
        if (after(limits.idleTimeout)) this.destroy(silentError());
        return;
      case "content":
        if (after(SILENCE)) this.destroy(endedError());
        return;
      default:
        awaited satisfies never;
    }
  }

  /** A number that changes whenever what is awaited makes progress. */
  #markOf(awaited: Awaited): number {
    switch (awaited) {
      case "body":
        return this.machine.received;
      case "sign of life":
        return this.machine.received - this.machine.unread + this.output.moves;
      case "content":
        return this.output.moves;
      default:
        return this.requests;
    }
  }

  #awaits(): Awaited {
    const { machine, output } = this;
    switch (this.#phase) {
      case "lingering":
        return "close";
      case "leaving":
        // Ending the output takes its time too: TLS sends close_notify first.
        return output.pending > 0 ? "nothing" : "close";
      case "raw":
      case "closed":
        return "nothing";
      case "open":
        break;
      default:
        this.#phase satisfies never;
    }
    if (this.#stopped) return "nothing";
    const exchange = this.#exchange;
    if (exchange.request !== null) {
      if (exchange.streaming && this.#transport.ended) {
        return output.pending === 0 ? "content" : "nothing";
      }
      if (machine.body.starved) return "body";
      return this.#transport.ended || machine.error !== null ||
          machine.unread > READ_AHEAD
        ? "sign of life"
        : "nothing";
    }
    if (machine.body.active) return "body";
    return machine.idle && this.requests > 0 ? "request" : "head";
  }

  #timeOutBody(): void {
    const error = this.machine.timeOut(BODY_TIMEOUT);
    this.count(error);
    // A handler that reads the body meets the error; without one, there is nobody.
    if (this.#exchange.request === null) this.#leave();
  }

  #sweepOutput(): void {
    const { output } = this;
    const { sweeper, limits } = this.#registry;
    const sweeps = this.#writeWait.sweeps(output.isWriting, output.moves);
    if (output.isWriting && sweeps > sweeper.sweepsIn(limits.writeTimeout)) {
      this.destroy(
        new DOMException(
          `the client took nothing for ${limits.writeTimeout} ms`,
          "TimeoutError",
        ),
      );
    }
  }
}
