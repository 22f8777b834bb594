/**
 * One connection: parses, handles and answers requests in order.
 *
 * `#run` is the loop. While handlers answer synchronously, it keeps taking requests
 * from the machine; only then does it write and read. A window of pipelined requests
 * thus costs one write and one read. An asynchronous handler suspends the loop, and the
 * end of its exchange resumes it. The loop never awaits a write.
 *
 * While a handler runs, the connection reads ahead to notice a client that leaves: into
 * the window if it is empty, otherwise aside, up to `READ_AHEAD` bytes. Beyond that
 * bound a disconnect cannot be detected, and an ended input may be a mere half-close.
 * An exchange that makes no progress in that state for `goneTimeout` is aborted.
 *
 * A connection ends in one of two ways. `#leave` closes gracefully: it flushes the
 * output, half-closes the socket and lingers, reading on for a while, because closing
 * with unread bytes sends a reset that may overtake the last response. `destroy` closes
 * at once. A handler that is still running then keeps only the memory of its request.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import { READ_AHEAD } from "../memory/sizes.ts";
import { MisuseError } from "../message/misuse.ts";
import type { PooledRequest } from "../message/request.ts";
import { RequestMachine } from "../message/request_machine.ts";
import type { Consumer } from "../message/byte_source.ts";
import { CONNECT } from "../wire/names.ts";
import { BODY_TIMEOUT, HEAD_TIMEOUT } from "../wire/refusals.ts";
import { refreshDate } from "./date.ts";
import { Deadlines, type Watched } from "../io/deadlines.ts";
import { Exchange, type ExchangeOwner } from "./exchange.ts";
import {
  ConnectionDetails,
  type ConnectionInfo,
  type Handler,
} from "./handler.ts";
import type { Ledger } from "./ledger.ts";
import { Output, type OutputOwner } from "../io/output.ts";
import { awaitedIn, type Awaits, type Phase } from "./phase.ts";
import { refusal } from "./prepared_response.ts";
import { shakesHands, TlsConn } from "./tls.ts";
import { UpgradedConnection } from "../io/upgraded.ts";
import type { HttpResponse } from "./response.ts";
import type { Registered, Registry } from "./registry.ts";
import { endedError, shedError, silentError, unreadError } from "./reasons.ts";
import {
  type Conn,
  ConnTransport,
  type Duplex,
  isConn,
  StreamTransport,
  type Transport,
} from "../io/transport.ts";

/** Microtask turns that a flush waits for the next response. */
const PATIENCE = 6;

export class Connection
  implements Consumer, ExchangeOwner, OutputOwner, Registered, Watched {
  readonly machine: RequestMachine;
  readonly output: Output;
  readonly info: ConnectionInfo;
  readonly handler: Handler;
  readonly ledger: Ledger | null;
  /** Requests so far. */
  requests = 0;
  /** Resolves when the connection has closed or was handed over. */
  readonly done: Promise<void>;

  readonly #registry: Registry;
  readonly #transport: Transport;
  /** The connection, if its handshake can be asked. */
  readonly #tls: TlsConn | null;
  readonly #exchange: Exchange = new Exchange(this);
  readonly #done = Promise.withResolvers<void>();
  #phase: Phase = "open";
  /** Whether another request may follow. Sticky: once false, stays false. */
  #persists = true;
  #running = false;
  /** Backpressure: whether pending requests wait until the output has drained. */
  #stopped = false;
  /** The input offset at shutdown; requests that end beyond it are not answered. */
  #lastByte = Infinity;
  /** The input offset at which draining of an unread body began. */
  #drainedFrom = 0;
  /** The reason for the disconnect, once the client is gone. */
  #gone: unknown = undefined;
  /** The refusal counted last, so that none is counted twice. */
  #counted: unknown = null;
  #raw: UpgradedConnection | null = null;

  #flushing = false;
  #flushMark = 0;
  #flushTurns = 0;

  readonly #deadlines: Deadlines<Awaits>;

  constructor(
    registry: Registry,
    connection: Conn | Duplex,
    remoteAddr: Deno.Addr | null = null,
    context?: unknown,
  ) {
    this.#registry = registry;
    this.handler = registry.handler;
    this.#deadlines = new Deadlines(this, registry.limits, registry.sweeper);
    this.machine = new RequestMachine(registry.options, registry.budget);
    this.machine.demand = () => this.#demandBody();
    const direct = isConn(connection);
    this.#tls = direct && shakesHands(connection)
      ? new TlsConn(connection, (protocol) => info.alpnProtocol = protocol)
      : null;
    this.#transport = direct
      ? new ConnTransport(this.#tls ?? connection, this.machine, this)
      : new StreamTransport(connection, this.machine, this);
    this.output = new Output(
      this.machine.pools.slabs,
      (bytes) => this.#transport.write(bytes),
      this,
      registry.budget,
    );
    const known = connection as Partial<Deno.Conn>;
    this.machine.secure = "handshake" in connection;
    const info = this.info = new ConnectionDetails(
      remoteAddr ?? known.remoteAddr ?? null,
      known.localAddr ?? null,
      this.machine.secure,
      context,
      registry,
    );
    this.ledger = registry.ledgerFor(this);
    this.done = this.#done.promise;
    registry.add(this);
  }

  /** Starts serving. `received` holds bytes that were already read. */
  start(received?: Uint8Array): void {
    if (this.#phase !== "open") return;
    if (received !== undefined) this.machine.push(received);
    if (this.#tls === null || this.machine.unread === 0) return this.#run();
    // Bytes were read, so the handshake is over; headTimeout bounds the wait all the same.
    this.#tls.handshake().then(() => this.wake(), (error) => this.fail(error));
  }

  // ------------------------------------------------------------------- requests

  /** Answers the buffered requests, then requests more input. */
  #run(): void {
    if (this.#running || this.#phase !== "open") return;
    this.#running = true;
    this.#stopped = false;
    refreshDate();
    const { machine, output, ledger } = this;
    const exchange = this.#exchange;
    try {
      while (exchange.request === null && this.#phase === "open") {
        if (output.full || (ledger !== null && ledger.full)) {
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

  /** Requests input for a machine that ran dry. True if bytes are available at once. */
  #readOn(): boolean {
    const { machine } = this;
    if (
      machine.finished || (machine.body.active && this.#hasDrainedEnough())
    ) {
      this.#leave();
      return false;
    }
    // Flushes first: a client may await the response before its next request.
    this.output.flush();
    if (machine.idle) machine.window.resetTier();
    return this.#transport.demand();
  }

  /** Reads ahead while a handler runs, to notice a client that leaves. */
  #watch(): void {
    const { machine } = this;
    if (this.#exchange.request === null || this.#phase !== "open") return;
    // After a refusal nothing consumes the input, so a read-ahead would be unbounded.
    if (machine.error !== null) return;
    if (machine.unread === 0) {
      if (machine.idle) machine.window.resetTier();
      this.#transport.demand();
    } else {
      while (
        machine.unread <= READ_AHEAD && this.#transport.readAhead()
      );
    }
  }

  /** Ends an exchange whose handler and response are both done. */
  exchanged(request: PooledRequest, bodyComes: boolean): void {
    const { machine } = this;
    const { body } = machine;
    if (body.refused !== null || this.ledger !== null) this.#conclude();
    machine.release(request);
    if (body.active) {
      this.#drainedFrom = machine.received;
      if (!this.#canDrain(bodyComes)) this.#persists = false;
    }
    if (this.#phase !== "open") return;
    if (!this.#persists) this.#leave();
    else if (!this.#running) this.#run();
  }

  /** The rare part of `exchanged`, apart so that V8 inlines the rest. */
  #conclude(): void {
    const { refused } = this.machine.body;
    // A handler may have swallowed the refusal of a body that is too large.
    if (refused !== null) this.count(refused);
    this.ledger?.finish(this.#exchange.status);
  }

  /** Whether the rest of the body can be drained to reach the next request. */
  #canDrain(bodyComes: boolean): boolean {
    // A client that awaits a 100 may or may not send the body, so the framing is unknown.
    return bodyComes &&
      this.machine.body.decoder.mostRemaining <= this.#registry.limits.maxDrain;
  }

  #hasDrainedEnough(): boolean {
    return this.machine.received - this.#drainedFrom >
      this.#registry.limits.maxDrain;
  }

  /** Answers a refused message, then leaves. */
  #refuse(error: unknown): void {
    if (!(error instanceof HttpError)) {
      this.report(error, null);
      return this.destroy(error);
    }
    this.count(error);
    // A malformed body belongs to a request that was already answered.
    if (!this.machine.errorInBody) {
      const answers = error.code !== "unexpected-eof";
      this.ledger?.refuse(error);
      if (answers) refusal(error).appendTo(this.output, "close", false);
      this.ledger?.finish(answers ? error.status : 0);
    }
    this.#leave();
  }

  // ------------------------------------------------------------- ExchangeOwner

  count(error: HttpError): void {
    if (error === this.#counted) return;
    this.#counted = error;
    this.#registry.refused(error.code);
  }

  report(error: unknown, res: HttpResponse | null): void {
    // A handler that rethrows `req.signal.reason` behaves as intended.
    if (this.#gone !== undefined && error === this.#gone) return;
    const { remoteAddr } = this.info;
    const { request } = this.#exchange;
    this.#registry.report(
      error,
      res,
      request && { ...request.startLine, remoteAddr },
    );
  }

  decidePersistence(close: boolean, whole: boolean): boolean {
    const { machine } = this;
    const { framing, line } = this.#exchange.request!;
    const { maxRequests } = this.#registry.limits;
    // Outside the loop the Date of the window may be stale.
    if (!this.#running) refreshDate();
    if (
      close || !framing.keepAlive || this.requests >= maxRequests ||
      machine.error !== null ||
      // After a refused CONNECT the client may already send tunnel bytes.
      line.method === CONNECT ||
      (this.#registry.shuttingDown && this.#nothingLeftToAnswer()) ||
      // A response stream may still consume the body that a handler has begun to read.
      (machine.body.active && (whole || machine.body.unread) &&
        !this.#canDrain(this.#exchange.bodyComes))
    ) this.#persists = false;
    return this.#persists;
  }

  forbidNext(): void {
    this.#persists = false;
  }

  /** Requests input for a body reader that ran dry. */
  #demandBody(): boolean {
    const exchange = this.#exchange;
    if (
      exchange.mayContinue && this.machine.empty &&
      !this.output.closed
    ) exchange.sendContinue();
    return this.#transport.demand();
  }

  /**
   * Flushes once no further response arrives within `PATIENCE` microtask turns, so that
   * handlers that answer within a few turns share one write. Then starts the read-ahead.
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
    this.ledger?.finish(this.#exchange.status);
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

  /** Ends a connection that was handed over: both streams ended, or it failed. */
  #closeRaw(reason: unknown): void {
    if (reason !== undefined || this.#phase !== "raw") {
      return this.#close(reason);
    }
    this.#phase = "lingering";
    this.#registry.sweeper.add(this);
    this.#linger();
  }

  takeBack(error: unknown): void {
    this.#raw?.fail(error);
  }

  // ------------------------------------------------------ Consumer, OutputOwner

  /** Called when bytes arrived or the input ended. */
  wake(): void {
    try {
      this.#wake();
    } catch (error) {
      // A bug here or in a stream must not take down more than this connection.
      this.report(error, null);
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

  /** Called when the input failed. */
  fail(error: unknown): void {
    // Misuse of the `Conn` interface is the program's fault, so it is reported.
    if (error instanceof MisuseError) this.report(error, null);
    this.destroy(error);
  }

  written(): void {
    if (this.ledger !== null) this.ledger.written();
    if (this.#stopped) this.#run();
  }

  writeFailed(error: unknown): void {
    this.fail(error);
  }

  // ------------------------------------------------------------------------ end

  /** Leaves at once if idle; otherwise `#run` leaves after the last received request. */
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

  /** Closes gracefully: flushes the output, half-closes, then lingers. */
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

  /** Closes at once. A connection that was handed over fails with `reason`. */
  destroy(reason: unknown): void {
    if (this.#phase === "closed") return;
    // Streams fail with the reason of the signal: report() knows it as no program's error.
    this.#abort(reason ?? new TypeError("the connection was closed"));
    reason = this.#gone;
    if (this.#phase === "raw") this.#raw!.fail(reason);
    else this.#close(reason);
  }

  /** Aborts the signal of the current request. */
  #abort(reason: unknown): void {
    this.#gone ??= reason;
    this.#exchange.request?.abort(this.#gone);
  }

  /**
   * Closes the connection and releases all memory, except the request of a running
   * handler and the bytes of a pending write.
   */
  #close(reason: unknown): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    const why = reason ?? new TypeError("the connection was closed");
    this.ledger?.close(why, this.#exchange);
    this.#transport.close(why);
    this.output.close(why);
    this.machine.close(why);
    this.#exchange.abort(why);
    this.#registry.sweeper.delete(this);
    this.#registry.delete(this);
    this.#done.resolve();
  }

  /** Sets whether pending reads keep the event loop alive. */
  keepAlive(keeps: boolean): void {
    this.#transport.keepAlive(keeps);
  }

  // ------------------------------------------------------------------- timeouts

  /** Acts on a wait that has lasted too long. */
  sweep(): void {
    const overdue = this.#deadlines.overdue();
    switch (overdue) {
      case null:
        return;
      case "head":
        // Without a single byte received there is no request to answer with a 408.
        if (this.machine.received === 0) return this.#leave();
        return this.#refuse(this.machine.timeOut(HEAD_TIMEOUT));
      case "body":
        return this.#timeOutBody();
      case "request":
        return this.#leave();
      case "close":
        return this.#close(undefined);
      case "sign of life":
        return this.#drop(silentError());
      case "content":
        return this.destroy(endedError());
      case "reading":
        return this.#drop(unreadError());
      default:
        overdue satisfies never;
    }
  }

  /** Destroys the connection of a client that was too slow, and counts it. */
  #drop(reason: unknown): void {
    this.#registry.dropped++;
    this.destroy(reason);
  }

  /** What the connection waits for; its {@linkcode Deadlines} bound the time. */
  get awaited(): Awaits {
    return this.#stopped && this.#phase === "open"
      ? "nothing"
      : awaitedIn(this.#phase, this, this.#exchange, this.#transport.ended);
  }

  #timeOutBody(): void {
    const error = this.machine.timeOut(BODY_TIMEOUT);
    this.count(error);
    // A handler that reads the body gets the error from its read.
    if (this.#exchange.request === null) this.#leave();
  }

  // -------------------------------------------------- what is counted, and bounded

  get closed(): boolean {
    return this.#phase === "closed";
  }

  get handedOver(): boolean {
    return this.#phase === "raw";
  }

  /** Whether the body of a response is being streamed. */
  get streaming(): boolean {
    return this.#exchange.streaming;
  }

  get received(): number {
    return this.machine.received;
  }

  get sent(): number {
    return this.output.sent;
  }

  get stalledBytes(): number {
    return this.#deadlines.stalled && !this.handedOver
      ? this.output.pending
      : 0;
  }

  shed(): void {
    this.destroy(shedError());
  }

  makeRoom(bytes: number): boolean {
    return this.#registry.makeRoom(bytes);
  }
}
