/**
 * One connection: parse, handle, answer, in order, until either side has enough.
 *
 * `#run` is the heart. It takes requests out of the machine as long as there are
 * any and each is answered at once, and only then writes and reads: so a window of
 * pipelined requests costs one write and one read. A handler that takes its time
 * holds its place; `#settled` goes on where it stopped. No write is awaited.
 *
 * A connection ends in one of two ways. `#leave` says goodbye: everything is
 * written, the output is ended, and the input read on for a while, since to close
 * with bytes unread makes a reset that may overtake the last response. `destroy`
 * ends it at once. Either way the request that is being handled keeps its memory
 * until its handler is done.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import { Machine } from "../machine.ts";
import type { HttpRequest, PooledRequest } from "../request.ts";
import type { Consumer } from "../source.ts";
import { CONNECT } from "../wire/names.ts";
import { BODY_TIMEOUT, HEAD_TIMEOUT } from "../wire/refusals.ts";
import { refreshDate } from "./date.ts";
import { appendText, Output, type OutputOwner } from "./output.ts";
import { EncodedResponse } from "./prepared.ts";
import { RawDuplex } from "./raw.ts";
import { type HttpResponse, ServerResponse } from "./response.ts";
import type { Service } from "./service.ts";
import type { Sweepable } from "./sweeper.ts";
import {
  type Conn,
  ConnTransport,
  type Duplex,
  isConn,
  StreamTransport,
  type Transport,
} from "./transport.ts";

/** What is known of a connection. One object serves all its requests. */
export interface ConnectionInfo {
  /** The other end; `null` for a pair of streams, unless it was given. */
  readonly remoteAddr: Deno.Addr | null;
  /** This end; `null` for a pair of streams. */
  readonly localAddr: Deno.Addr | null;
  /** Whether the connection is secured by TLS. */
  readonly secure: boolean;
}

/**
 * Answers requests, one at a time on each connection.
 *
 * It calls `res.send`, `res.json` or `res.upgrade` before it returns, or before the
 * promise it returns resolves. The request is released then and once the response
 * is sent: what it keeps of the request it has to read before.
 */
export type Handler = (
  req: HttpRequest,
  res: HttpResponse,
  info: ConnectionInfo,
) => void | Promise<void>;

/** Requests are answered. */
const OPEN = 0;
/** The last response is on its way out. */
const LEAVING = 1;
/** The output is ended, and the input read to its end. */
const LINGERING = 2;
/** The connection was handed over. */
const RAW = 3;
const CLOSED = 4;

/** What a connection can wait for. */
const NOTHING = 0;
const FOR_HEAD = 1;
const FOR_BODY = 2;
const FOR_REQUEST = 3;
const FOR_CLOSE = 4;
/** A body of ours that gives nothing, while the client may have left. */
const FOR_CONTENT = 5;

/** Milliseconds that a client may take to end a connection that we have ended. */
const LINGER = 2000;

/** Turns of the microtask queue that a write waits for the next response. */
const PATIENCE = 6;

/** A connection that is served. */
export class Connection implements Consumer, OutputOwner, Sweepable {
  readonly machine: Machine;
  readonly output: Output;
  readonly info: ConnectionInfo;
  /** Requests so far. */
  requests = 0;
  /** Resolves when HTTP is over here: the connection has closed, or was handed over. */
  readonly done: Promise<void>;

  readonly #service: Service;
  readonly #transport: Transport;
  readonly #done = Promise.withResolvers<void>();
  #phase = OPEN;
  /** Whether another request may follow. */
  #persists = true;
  #running = false;
  /** Whether requests wait until the client has taken some of the output. */
  #stopped = false;

  /** The request that is being answered. */
  #request: PooledRequest | null = null;
  #response: ServerResponse;
  /** Whether the handler is not done. */
  #handling = false;
  /** Whether the response object had a request in this turn. */
  #used = false;
  /** Whether a 100 (Continue) was sent. */
  #continued = false;
  /** Bytes of the input when the rest of a body began to be thrown away. */
  #drainedFrom = 0;
  /** Why the client is gone. */
  #gone: unknown = undefined;
  /** The refusal that was counted last. */
  #counted: unknown = null;
  #raw: RawDuplex | null = null;

  #flushing = false;
  #flushMark = 0;
  #flushTurns = 0;

  // What the last sweep saw.
  #awaited = NOTHING;
  #awaitedMark = 0;
  #sweeps = 0;
  #writeMark = 0;
  #writeSweeps = 0;

  constructor(
    service: Service,
    connection: Conn | Duplex,
    remoteAddr: Deno.Addr | null = null,
  ) {
    this.#service = service;
    this.machine = new Machine(service.options);
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
    this.#response = new ServerResponse(this);
    service.add(this);
  }

  /** Begins, with bytes that were read from the connection before. */
  start(received?: Uint8Array): void {
    if (this.#phase !== OPEN) return;
    if (received !== undefined) this.machine.push(received);
    this.#run();
  }

  get closed(): boolean {
    return this.#phase === CLOSED;
  }

  // ------------------------------------------------------------------- requests

  /** Answers what is there, and sees to it that more comes. */
  #run(): void {
    if (this.#running || this.#phase !== OPEN) return;
    this.#running = true;
    this.#stopped = false;
    refreshDate();
    const { machine, output } = this;
    try {
      while (this.#request === null && this.#phase === OPEN) {
        if (output.full) {
          this.#stopped = true;
          break;
        }
        const request = machine.next();
        if (request !== null) this.#handle(request);
        else if (!this.#readOn()) break;
      }
    } catch (error) {
      this.#refuse(error);
    }
    this.#running = false;
    if (this.#request === null) {
      this.#renewResponse();
      output.flush();
    } else {
      this.flushSoon();
      this.#watch();
    }
  }

  /**
   * A response object is shared by requests of one turn only, and only until the
   * handler has first been seen to answer later: so a program that uses its response
   * too late meets no other request. What is left is a plain function that returns a
   * promise for the first time, in the same turn as an answer it gave at once.
   */
  #renewResponse(): void {
    if (!this.#used) return;
    this.#used = false;
    this.#response.retire();
    this.#response = new ServerResponse(this);
  }

  /** The machine ran dry. Gives whether there are bytes again. */
  #readOn(): boolean {
    const { machine } = this;
    if (machine.finished || (this.#service.draining && machine.idle)) {
      this.#leave();
      return false;
    }
    if (machine.body.active && this.#hasDrainedEnough()) {
      this.#leave();
      return false;
    }
    // The write goes first: nobody sends the next request before it.
    this.output.flush();
    if (machine.idle) machine.rest();
    return this.#transport.demand();
  }

  /** Reads while a handler works, so that a client that leaves is noticed. */
  #watch(): void {
    const { machine } = this;
    if (this.#phase !== OPEN || !machine.drained) return;
    if (machine.idle) machine.rest();
    this.#transport.demand();
  }

  #handle(request: PooledRequest): void {
    if (this.#service.takesTurns) this.#renewResponse();
    this.#used = true;
    const response = this.#response;
    this.requests++;
    this.#request = request;
    this.#handling = true;
    this.#continued = false;
    request.held = true;
    response.begin(request);
    try {
      const result = this.#service.handler(request, response, this.info);
      if (result !== undefined && typeof result?.then === "function") {
        this.#service.takesTurns = true;
        result.then(this.#settled, this.#failed);
        return;
      }
    } catch (error) {
      return this.#failed(error);
    }
    this.#settled();
  }

  /** The handler is done. */
  readonly #settled = (): void => {
    if (!this.#response.sent) {
      return this.#failed(
        new TypeError("the handler ended without a response"),
      );
    }
    this.#handling = false;
    if (this.#response.done) this.#finish();
    else this.#service.takesTurns = true;
  };

  /** The handler failed. */
  readonly #failed = (error: unknown): void => {
    const response = this.#response;
    this.#service.takesTurns = true;
    if (error instanceof HttpError) this.#answer(error);
    else if (!this.#comesOfLeaving(error)) {
      this.#service.report(error, response.sent ? null : response);
    }
    if (!response.sent) {
      response.send("Internal Server Error", { status: 500 });
    }
    this.#handling = false;
    if (response.done) this.#finish();
  };

  /** Answers a refusal that the handler let pass: that of the body, as a rule. */
  #answer(error: HttpError): void {
    this.#count(error);
    if (this.#response.sent) return;
    if (error.code === "unexpected-eof") {
      this.#persists = false;
      return this.#response.retire();
    }
    this.#response.send(`${error.message}\n`, {
      status: error.status,
      headers: { connection: "close" },
    });
  }

  /** Response and handler are done: the request is over. */
  #finish(): void {
    const request = this.#request!;
    const { expectContinue } = request.framing;
    const { body } = this.machine;
    // A handler may have kept to itself that the body was too large.
    if (body.refused !== null) this.#count(body.refused);
    this.#request = null;
    this.machine.release(request);
    if (this.#service.takesTurns) this.#renewResponse();
    if (body.active) {
      this.#drainedFrom = this.machine.received;
      if (!this.#canDrain(expectContinue)) this.#persists = false;
    }
    if (this.#phase === OPEN) {
      if (!this.#persists) this.#leave();
      else if (!this.#running) this.#run();
    } else this.#settleDone();
  }

  /** Whether the rest of the body can be read on, for the next request's sake. */
  #canDrain(expectContinue: boolean): boolean {
    // A client that waits for its 100 may send the body or not: nobody can tell.
    return (!expectContinue || this.#continued) &&
      this.machine.body.payload.knownRemaining <=
        this.#service.limits.maxDrain;
  }

  #hasDrainedEnough(): boolean {
    return this.machine.received - this.#drainedFrom >
      this.#service.limits.maxDrain;
  }

  /** The next message was refused. */
  #refuse(error: unknown): void {
    if (!(error instanceof HttpError)) {
      this.#service.report(error, null);
      return this.destroy(error);
    }
    this.#count(error);
    // A body at fault belongs to a request that was answered.
    if (!this.machine.errorInBody && error.code !== "unexpected-eof") {
      const { status, message } = error;
      new EncodedResponse({ status, body: `${message}\n` })
        .appendTo(this.output, "close", false);
    }
    this.#leave();
  }

  #count(error: HttpError): void {
    if (error === this.#counted) return;
    this.#counted = error;
    this.#service.refused(error.code);
  }

  // ------------------------------------------------- what the response asks for

  /**
   * Whether the connection goes on after the response that is about to be sent,
   * which `close` may forbid. What is said once, holds.
   */
  persists(close: boolean): boolean {
    const { machine } = this;
    const { framing, line } = this.#request!;
    const { maxRequests } = this.#service.limits;
    // A response outside the turn of its window has a Date of its own.
    if (!this.#running) refreshDate();
    if (
      close || !framing.keepAlive || this.requests >= maxRequests ||
      machine.error !== null ||
      // What a refused client sends next may be meant for the tunnel.
      line.method === CONNECT ||
      (this.#service.draining && machine.start === machine.end) ||
      (machine.body.unread && !this.#canDrain(framing.expectContinue))
    ) this.#persists = false;
    return this.#persists;
  }

  /** The response was sent to its end. */
  responded(): void {
    if (this.#running) return;
    this.flushSoon();
    if (!this.#handling && this.#request !== null) this.#finish();
  }

  /** The body of the response failed, or its client is gone. */
  bodyFailed(error: unknown): void {
    this.#persists = false;
    // A stream that was made of the request's body fails as that does.
    if (error instanceof HttpError) this.#count(error);
    else if (this.#phase !== CLOSED && !this.#comesOfLeaving(error)) {
      this.#service.report(error, null);
    }
  }

  /** Whether an error is that of the signal: to stop when the client is gone is right. */
  #comesOfLeaving(error: unknown): boolean {
    return this.#gone !== undefined && error === this.#gone;
  }

  /** Tells a client that waits for it to send its body (RFC 9110 §10.1.1). */
  sendContinue(): void {
    if (this.#continued || !this.#request!.framing.expectContinue) return;
    this.#continued = true;
    appendText(this.output, "HTTP/1.1 100 Continue\r\n\r\n");
    this.flushSoon();
  }

  /** The handler reads the body, and there is none of it. */
  #demandBody(): boolean {
    if (
      this.#request !== null && !this.#response.sent &&
      this.machine.start === this.machine.end && !this.output.closed
    ) this.sendContinue();
    return this.#transport.demand();
  }

  /**
   * Writes what has gathered, when no more responses come in this turn: as long as
   * handlers answer within it, their responses go out together.
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
      output.end > 0 && this.#request !== null && !output.full &&
      this.#flushTurns++ < PATIENCE
    ) return queueMicrotask(this.#flush);
    this.#flushing = false;
    output.flush();
  };

  /** The connection speaks another protocol from here on. */
  handOver(): Duplex {
    const raw = this.#raw = new RawDuplex(
      this.machine,
      this.#transport,
      this.output,
      (reason) => this.#close(reason),
    );
    if (this.#phase === OPEN) {
      this.#phase = RAW;
      this.#service.sweeper.delete(this);
      this.flushSoon();
      this.#done.resolve();
    } else raw.fail(this.#gone);
    return raw;
  }

  // ----------------------------------------------------- what the transport says

  /** Bytes came, or the input ended. */
  wake(): void {
    switch (this.#phase) {
      case OPEN:
        if (this.#transport.ended && this.#request !== null) {
          this.#abort(endedError());
        }
        this.machine.body.progress();
        return this.#run();
      case LINGERING:
        return this.#linger();
      case RAW:
        return this.#raw!.wake();
    }
  }

  /** The input failed. */
  fail(error: unknown): void {
    if (this.#phase === RAW) this.#raw!.fail(error);
    else this.destroy(error);
  }

  /** A write is done. */
  written(): void {
    if (this.#phase === CLOSED) this.#settleDone();
    else if (this.#stopped) this.#run();
  }

  /** The client takes nothing more. */
  writeFailed(error: unknown): void {
    this.fail(error);
  }

  // ------------------------------------------------------------------------ end

  /** Ends the connection as soon as it is idle; the service is draining. */
  drain(): void {
    if (this.#phase !== OPEN || this.#request !== null) return;
    if (this.machine.idle) this.#leave();
  }

  /** Says goodbye: all that was answered is sent, and nothing else is read. */
  #leave(): void {
    if (this.#phase !== OPEN) return;
    this.#phase = LEAVING;
    this.output.empty()
      .then(() => this.#transport.end())
      .then(() => {
        if (this.#phase !== LEAVING) return;
        this.#phase = LINGERING;
        this.#linger();
      })
      .catch((error) => this.destroy(error));
  }

  #linger(): void {
    if (this.#transport.ended) this.#close(undefined);
    else this.#transport.drain();
  }

  /** Ends the connection at once: the client is gone, or nobody wants it. */
  destroy(reason: unknown): void {
    if (this.#phase === CLOSED) return;
    this.#abort(reason);
    if (this.#phase === RAW) this.#raw!.fail(reason);
    else this.#close(reason);
  }

  /** The request that is being answered has lost its client. */
  #abort(reason: unknown): void {
    this.#gone ??= reason;
    this.#request?.abort(this.#gone);
  }

  #close(reason: unknown): void {
    if (this.#phase === CLOSED) return;
    this.#phase = CLOSED;
    const why = reason ?? new TypeError("the connection was closed");
    this.#transport.close(why);
    this.output.close(why);
    this.machine.close(why);
    this.#response.abort(why);
    this.#service.sweeper.delete(this);
    this.#settleDone();
  }

  /** Resolves `done` when nothing of this connection is left to happen. */
  #settleDone(): void {
    if (
      this.#phase !== CLOSED || this.#request !== null || this.output.isWriting
    ) return;
    this.#service.delete(this);
    this.#done.resolve();
  }

  /** Whether reads keep the program running. */
  keepAlive(keeps: boolean): void {
    this.#transport.keepAlive(keeps);
  }

  // ------------------------------------------------------------------- timeouts

  /** Looks whether the client has kept us waiting for too long. */
  sweep(): void {
    const { sweeper, limits } = this.#service;
    this.#sweepOutput();
    const awaited = this.#awaits();
    const mark = awaited === FOR_BODY
      ? this.machine.received
      : awaited === FOR_CONTENT
      ? this.output.moves
      : this.requests;
    if (awaited !== this.#awaited || mark !== this.#awaitedMark) {
      this.#awaited = awaited;
      this.#awaitedMark = mark;
      this.#sweeps = 0;
    }
    this.#sweeps++;
    const after = (limit: number) => this.#sweeps > sweeper.sweepsIn(limit);
    if (awaited === FOR_HEAD && after(limits.headTimeout)) {
      // Who has sent nothing at all has asked for no answer.
      if (this.machine.received === 0) this.#leave();
      else this.#refuse(this.machine.timeOut(HEAD_TIMEOUT));
    } else if (awaited === FOR_BODY && after(limits.bodyTimeout)) {
      this.#timeOutBody();
    } else if (awaited === FOR_REQUEST && after(limits.idleTimeout)) {
      this.#leave();
    } else if (awaited === FOR_CLOSE && after(LINGER)) {
      this.#close(undefined);
    } else if (awaited === FOR_CONTENT && after(limits.bodyTimeout)) {
      this.destroy(endedError());
    }
  }

  #awaits(): number {
    const { machine } = this;
    if (this.#phase === LINGERING) return FOR_CLOSE;
    if (this.#phase === LEAVING) {
      // To end the output takes its time too, where TLS has a word to say first.
      return this.output.pending > 0 ? NOTHING : FOR_CLOSE;
    }
    if (this.#phase !== OPEN || this.#stopped) return NOTHING;
    if (this.#request !== null) {
      if (this.#transport.ended && this.#response.streaming) return FOR_CONTENT;
      return machine.body.starved ? FOR_BODY : NOTHING;
    }
    if (machine.body.active) return FOR_BODY;
    return machine.idle && this.requests > 0 ? FOR_REQUEST : FOR_HEAD;
  }

  #timeOutBody(): void {
    const error = this.machine.timeOut(BODY_TIMEOUT);
    this.#count(error);
    // A handler that reads the body meets the error; without one, there is nobody.
    if (this.#request === null) this.#leave();
  }

  #sweepOutput(): void {
    const { output } = this;
    const { sweeper, limits } = this.#service;
    if (!output.isWriting || output.moves !== this.#writeMark) {
      this.#writeMark = output.moves;
      this.#writeSweeps = 0;
    } else if (++this.#writeSweeps > sweeper.sweepsIn(limits.writeTimeout)) {
      this.destroy(
        new DOMException(
          `the client took nothing for ${limits.writeTimeout} ms`,
          "TimeoutError",
        ),
      );
    }
  }
}

function endedError(): DOMException {
  return new DOMException("the client ended the connection", "AbortError");
}
