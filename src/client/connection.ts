/**
 * One connection of a client: sends requests and reads their responses in order.
 *
 * `#send` puts the requests into the output whose turn it is; `#read` is the loop that
 * takes their responses from the machine. It stops at a response whose body somebody
 * reads, or may still read: the body asks the transport for bytes itself, and `bodyLeft`
 * resumes the loop.
 *
 * HTTP/1.1 matches responses with requests by their order alone. So whatever makes that
 * order uncertain closes the connection: bytes that nothing asked for, a request that was
 * given up after it was sent, a body that is not read to its end.
 *
 * @module
 */

import { Deadlines, sweeperFor, type Watched } from "../io/deadlines.ts";
import { follow } from "../io/follow.ts";
import { Output, type OutputOwner } from "../io/output.ts";
import type { Sweepable, Sweeper } from "../io/sweeper.ts";
import {
  type Conn,
  ConnTransport,
  type Duplex,
  isConn,
  StreamTransport,
  type Transport,
} from "../io/transport.ts";
import { UpgradedConnection } from "../io/upgraded.ts";
import { type ClientLimits, resolveClientLimits } from "../limits.ts";
import { Budget } from "../memory/budget.ts";
import type { Consumer } from "../message/byte_source.ts";
import { MisuseError } from "../message/misuse.ts";
import type { PooledResponse } from "../message/response.ts";
import { ResponseMachine } from "../message/response_machine.ts";
import {
  BODY_TIMEOUT,
  HEAD_TIMEOUT,
  TOO_MANY_INTERIM,
  UNASKED_RESPONSE,
  UNASKED_UPGRADE,
} from "../wire/refusals.ts";
import { listElements } from "../wire/text.ts";
import type { Call } from "./call.ts";
import type { ConnectOptions } from "./options.ts";
import {
  awaitedIn,
  type Awaits,
  type ClientState,
  type Phase,
} from "./phase.ts";
import { RequestError } from "./request_error.ts";
import type { RequestPlan } from "./request_plan.ts";
import { RequestSender, type SenderOwner } from "./request_sender.ts";

/** Maximum interim responses to one request. */
const MOST_INTERIM = 32;

export class ClientConnection
  implements Consumer, OutputOwner, SenderOwner, Sweepable, Watched {
  readonly machine: ResponseMachine;
  readonly output: Output;
  /** Responses that were read to their end. */
  requests = 0;
  /** Resolves when the connection has closed or was handed over. */
  readonly done: Promise<void>;

  readonly #limits: Required<ClientLimits>;
  readonly #transport: Transport;
  readonly #sender: RequestSender;
  readonly #sweeper: Sweeper;
  readonly #deadlines: Deadlines<Awaits>;
  readonly #done = Promise.withResolvers<void>();
  // A signal that has aborted ends the connection before it could be set.
  #unfollow: () => void = () => {};
  #phase: Phase = "open";
  /** Whether another request may be sent. Sticky: once false, stays false. */
  #persists = true;
  /** Requests that wait to be sent. */
  readonly #queue: Call[] = [];
  /** Requests that were sent and whose responses have not ended, in order. */
  readonly #sent: Call[] = [];
  #sending = false;
  #reading = false;
  #readsSoon = false;
  /** The input offset at which draining of an unread body began, or -1. */
  #drainedFrom = -1;
  /** Why the output failed, if it did. */
  #writeError: unknown = undefined;
  /** Why the connection has ended, for later requests. */
  #reason: unknown = undefined;
  #raw: UpgradedConnection | null = null;

  constructor(connection: Conn | Duplex, options: ConnectOptions) {
    const limits = this.#limits = resolveClientLimits(options);
    const budget = new Budget(Infinity);
    this.machine = new ResponseMachine(options, budget);
    this.machine.demand = () => this.#transport.demand();
    this.machine.bodyLeft = () => this.#readSoon();
    this.#transport = isConn(connection)
      ? new ConnTransport(connection, this.machine, this)
      : new StreamTransport(connection, this.machine, this);
    this.output = new Output(
      this.machine.pools.slabs,
      (bytes) => this.#transport.write(bytes),
      this,
      budget,
    );
    this.#sender = new RequestSender(
      this.output,
      this,
      limits.continueTimeout,
    );
    const times = {
      ...limits,
      goneTimeout: Infinity,
      minResponseRate: limits.minBodyRate,
    };
    this.#sweeper = sweeperFor(times);
    this.#deadlines = new Deadlines(this, times, this.#sweeper);
    this.done = this.#done.promise;
    this.#sweeper.add(this);
    this.#unfollow = follow(options.signal, (reason) => this.destroy(reason));
    this.#read();
  }

  /** What the connection is doing, as a pool wants to know it. */
  get state(): ClientState {
    if (this.#phase === "open" && this.#persists) {
      return this.#sent.length + this.#queue.length > 0 ? "busy" : "idle";
    }
    return this.#phase === "open" || this.#phase === "closing"
      ? "closing"
      : "closed";
  }

  // ------------------------------------------------------------------- requests

  /** Sends a request in its turn. */
  enqueue(call: Call): void {
    if (this.#phase !== "open" || !this.#persists) {
      return call.fail(call.lost("the connection is closed", this.#reason));
    }
    const waits = this.#queue.length;
    if (
      waits >= this.#limits.maxQueued && (waits > 0 || !this.#maySend(call))
    ) {
      return call.fail(call.lost("too many requests wait", undefined));
    }
    this.#queue.push(call);
    this.#send();
  }

  /** Gives a request up. */
  abort(call: Call, reason: unknown): void {
    if (call.state !== "queued") return this.destroy(reason, call);
    this.#queue.splice(this.#queue.indexOf(call), 1);
    call.fail(reason);
    this.#send();
  }

  /** Closes the connection once all requests are answered. */
  close(): Promise<void> {
    if (this.#phase === "open") {
      this.#phase = "closing";
      this.#read();
    }
    return this.done;
  }

  /** Puts the requests into the output whose turn it is. */
  #send(): void {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#queue.length > 0 && this.#maySend(this.#queue[0]!)) {
      const call = this.#queue.shift()!;
      if (this.#sent.push(call) === 1) this.#transport.keepAlive(true);
      call.sentAt = this.machine.received;
      this.#sender.begin(call);
      if (call.plan.close) this.#forbidNext(call, "the last request was sent");
    }
    this.#sending = false;
    this.output.flush();
    this.#read();
  }

  #maySend(call: Call): boolean {
    if (
      !this.#persists || this.#sender.call !== null || this.output.full ||
      (this.#phase !== "open" && this.#phase !== "closing")
    ) return false;
    const sent = this.#sent;
    // Bytes that came before a request are no response to it (see `sentAt`).
    if (sent.length === 0) return this.machine.empty;
    return sent.length < this.#limits.pipeline && call.pipelines &&
      sent.every((other) => other.pipelines || other.state === "answered");
  }

  requestSent(): void {
    this.#send();
  }

  requestFailed(call: Call, error: unknown): void {
    this.destroy(error, call);
  }

  /** Sends nothing after `last`, and gives up what would come after it. */
  #forbidNext(last: Call, why: string): void {
    this.#persists = false;
    const behind = this.#sent.splice(this.#sent.indexOf(last) + 1);
    for (const call of [...behind, ...this.#queue.splice(0)]) {
      call.fail(call.lost(why, this.#writeError));
    }
  }

  // ------------------------------------------------------------------ responses

  #readSoon(): void {
    if (this.#readsSoon) return;
    this.#readsSoon = true;
    queueMicrotask(() => {
      this.#readsSoon = false;
      this.wake();
    });
  }

  /** Takes the responses that have arrived, then requests more input. */
  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#phase === "open" || this.#phase === "closing") {
        const call = this.#sent[0];
        const goesOn = call === undefined
          ? this.#awaitRequest()
          : call.state === "answered"
          ? this.#finish(call)
          : this.#takeResponse(call);
        if (!goesOn) break;
      }
    } catch (error) {
      this.destroy(error, this.#sent[0] ?? null);
    }
    this.#reading = false;
  }

  /** Awaits the next request. Returns whether the loop goes on. */
  #awaitRequest(): boolean {
    const { machine } = this;
    if (!machine.empty && !machine.lent) {
      throw machine.fail(UNASKED_RESPONSE, machine.window.start);
    }
    if (this.#transport.ended || !this.#persists) {
      this.#reason ??= new TypeError("the server closed the connection");
      this.#leave();
      return false;
    }
    if (this.#queue.length === 0) {
      if (this.#phase === "closing") {
        this.#leave();
        return false;
      }
      machine.window.resetTier();
      this.#transport.keepAlive(false);
    }
    // Bytes at hand are looked at before the next request is sent.
    if (this.#transport.demand()) return true;
    this.#send();
    return this.#sent.length > 0;
  }

  /** Takes the next response to `call`. Returns whether the loop goes on. */
  #takeResponse(call: Call): boolean {
    const { machine } = this;
    if (machine.received - machine.unread < call.sentAt) {
      // The call is not to blame: it may be sent again.
      this.destroy(machine.fail(UNASKED_RESPONSE, machine.window.start));
      return false;
    }
    const response = machine.next(call.plan.method);
    if (response !== null) {
      this.#take(call, response);
      return true;
    }
    if (machine.finished) {
      this.destroy(
        this.#writeError ??
          new TypeError("the server ended the connection without a response"),
      );
      return false;
    }
    return this.#transport.demand();
  }

  #take(call: Call, response: PooledResponse): void {
    const { status } = response;
    const { tunnel, keepAlive } = response.framing;
    if (tunnel) return this.#handOver(call, response);
    if (status < 200) return this.#takeInterim(call, response);
    if (this.#sender.call === call) this.#answerEarly(call, status);
    if (call.plan.close || !keepAlive) {
      this.#forbidNext(call, "the server closes the connection");
    }
    call.answer(response);
    this.#send();
  }

  #takeInterim(call: Call, response: PooledResponse): void {
    const { status } = response;
    try {
      if (++call.interims > MOST_INTERIM) {
        throw this.machine.fail(TOO_MANY_INTERIM, this.machine.window.start);
      }
      const told: unknown = call.onInterim?.(response);
      // Nobody else handles what an async function rejects with.
      if (told !== undefined) {
        Promise.resolve(told).catch((error) =>
          this.#interimFailed(call, error)
        );
      }
      if (status === 100 && this.#sender.call === call) {
        this.#sender.proceed();
      }
    } finally {
      response.release();
    }
  }

  #interimFailed(call: Call, error: unknown): void {
    if (call.state !== "over") this.destroy(error, call);
  }

  /**
   * A final response has come before its request was sent. The server need not read the
   * rest (RFC 9112 §9.5). Only with success it may want to: it answers while it reads.
   */
  #answerEarly(call: Call, status: number): void {
    if (status < 300 && !this.#sender.awaitsContinue) return;
    this.#stopSending(call);
  }

  #stopSending(call: Call): void {
    const why = "the server answered before the body";
    this.#sender.stop(new TypeError(why));
    this.#forbidNext(call, why);
  }

  /** Hands the connection over after a 101, or a 2xx to CONNECT. */
  #handOver(call: Call, response: PooledResponse): void {
    const { machine } = this;
    if (!wasAsked(call.plan, response)) {
      response.release();
      machine.body.close(undefined);
      throw machine.fail(UNASKED_UPGRADE, machine.window.start);
    }
    machine.body.close(
      new TypeError("what follows an upgrade is read from its streams"),
    );
    this.#forbidNext(call, "the connection was handed over");
    this.#sent.length = 0;
    this.#phase = "raw";
    this.#sweeper.delete(this);
    call.duplex = this.#raw = new UpgradedConnection(
      machine,
      this.#transport,
      this.output,
      (reason) => this.#closeRaw(reason),
    );
    call.answer(response);
    call.end();
    this.#done.resolve();
  }

  /** Ends a call once its body is over. Returns whether the loop goes on. */
  #finish(call: Call): boolean {
    const { machine } = this;
    const { body } = machine;
    if (machine.error !== null) throw machine.error;
    if (body.active) {
      // Somebody reads it, or may still begin to.
      if (!body.discarding || machine.lent) return false;
      if (!this.#canDrain()) {
        this.#giveUpBody();
        return false;
      }
      if (!body.discard()) return this.#transport.demand();
    }
    this.#drainedFrom = -1;
    this.requests++;
    this.#sent.shift();
    call.end();
    // Bytes that were queued as a whole are the last request's, if no other was sent.
    const leavesBytes = this.#sent.length === 0 && this.output.full;
    if (leavesBytes || this.#sender.call === call) {
      // The whole response has come before the whole request.
      this.#stopSending(call);
    }
    if (this.#sent.length > 0) this.#send();
    return true;
  }

  #giveUpBody(): void {
    this.destroy(new TypeError("a response was given up before its end"));
  }

  /** Whether the rest of a body is short enough to reach the next response. */
  #canDrain(): boolean {
    const { machine } = this;
    const { maxDrain } = this.#limits;
    if (this.#drainedFrom < 0) {
      this.#drainedFrom = machine.received - machine.unread;
    }
    return this.#persists &&
      machine.body.decoder.knownRemaining <= maxDrain &&
      machine.received - machine.unread - this.#drainedFrom <= maxDrain;
  }

  // ------------------------------------------------------ Consumer, OutputOwner

  get closed(): boolean {
    return this.#phase === "closed";
  }

  /** Called when bytes arrived or the input ended. */
  wake(): void {
    try {
      switch (this.#phase) {
        case "open":
        case "closing":
          this.machine.body.progress();
          return this.#read();
        case "lingering":
          return this.#linger();
        case "raw":
          return this.#raw!.wake();
      }
    } catch (error) {
      // A bug here or in a stream must not take down more than this connection.
      this.destroy(error);
    }
  }

  /** Called when the input failed. */
  fail(error: unknown): void {
    this.destroy(this.#writeError ?? error);
  }

  written(): void {
    if (this.#phase === "raw") return;
    if (this.#queue.length > 0) this.#send();
  }

  /**
   * Responses may have come all the same: a server that refuses a body answers, and
   * reads no more of it (RFC 9112 §9.5).
   */
  writeFailed(error: unknown): void {
    if (
      this.#phase === "raw" || this.#sent.length === 0 ||
      error instanceof MisuseError
    ) {
      return this.destroy(error);
    }
    this.#writeError = error;
    this.#sender.stop(error);
    this.#forbidNext(this.#sent.at(-1)!, "the connection failed");
  }

  makeRoom(): boolean {
    return true;
  }

  shed(): void {
    // Nothing of a client is shed.
  }

  // ------------------------------------------------------------------------ end

  /** Ends an idle connection: half-closes, then closes. */
  #leave(): void {
    if (this.output.pending > 0 || this.output.closed) {
      return this.#close(undefined, null);
    }
    this.#phase = "lingering";
    const end = () => this.#close(undefined, null);
    this.#transport.end().then(end, end);
  }

  /** Ends a connection that was handed over: both streams ended, or it failed. */
  #closeRaw(reason: unknown): void {
    if (reason !== undefined || this.#phase !== "raw") {
      return this.#close(reason, null);
    }
    this.#phase = "lingering";
    this.#sweeper.add(this);
    this.#linger();
  }

  /** Reads on, since closing with unread bytes may reset what was written last. */
  #linger(): void {
    if (this.#transport.ended) this.#close(undefined, null);
    else this.#transport.discard();
  }

  /** Closes at once. `culprit` is the call that fails with the very reason. */
  destroy(reason: unknown, culprit: Call | null = null): void {
    if (this.#phase === "raw") this.#raw!.fail(reason);
    else this.#close(reason, culprit);
  }

  #close(reason: unknown, culprit: Call | null): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#reason ??= reason;
    const calls = [...this.#sent.splice(0), ...this.#queue.splice(0)];
    const message = "the connection failed before the response was complete";
    const why = reason ?? new TypeError("the connection was closed");
    const isOwn = culprit !== null && culprit === calls[0];
    this.#sender.stop(why);
    this.#transport.close(why);
    this.output.close(why);
    this.machine.close(isOwn ? reason : new RequestError(message, false, why));
    for (const call of calls) {
      // The very reason, which may be `null`.
      call.fail(call === culprit ? reason : call.lost(message, why));
    }
    this.#sweeper.delete(this);
    this.#unfollow();
    this.#done.resolve();
  }

  // ------------------------------------------------------------------- timeouts

  /** What the connection waits for; its {@linkcode Deadlines} bound the time. */
  get awaited(): Awaits {
    return awaitedIn(this.#phase, this.#sent[0], this.#sender.call, this);
  }

  /** Acts on a wait that has lasted too long. */
  sweep(): void {
    const overdue = this.#deadlines.overdue();
    const call = this.#sent[0] ?? null;
    switch (overdue) {
      case null:
        return;
      case "head":
        return this.destroy(this.machine.timeOut(HEAD_TIMEOUT), call);
      case "body":
        return this.destroy(this.machine.timeOut(BODY_TIMEOUT), call);
      case "rest":
        return this.#giveUpBody();
      case "request":
        this.#reason = new DOMException(
          "the connection was idle for idleTimeout",
          "TimeoutError",
        );
        return this.#leave();
      case "reading": {
        const stalled = new DOMException(
          "the server read too little of the request in time",
          "TimeoutError",
        );
        if (call?.state !== "answered") return this.destroy(stalled);
        // Nothing more is sent, but what has begun to come is read.
        this.output.close(stalled);
        return this.writeFailed(stalled);
      }
      default:
        return this.#close(this.#writeError, null);
    }
  }
}

/** Whether the request asked for the tunnel, or for all protocols that the 101 names. */
function wasAsked(plan: RequestPlan, response: PooledResponse): boolean {
  const { upgrades, method, protocols } = plan;
  // A CONNECT asks for a tunnel, not for another protocol.
  if (!upgrades || method === "CONNECT") {
    return upgrades && response.status !== 101;
  }
  return listElements((response.upgrade ?? "").toLowerCase())
    .every((protocol) => protocols.includes(protocol));
}
