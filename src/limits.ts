/**
 * All limits and timeouts, with their defaults and ranges.
 *
 * @module
 */

/** Limits on a message, checked as the bytes arrive. */
export interface ParserLimits {
  /**
   * Maximum bytes of a request line, without its CRLF. A longer one is refused with 414.
   * The limit also applies to the status line of a response.
   *
   * @default {8192}
   */
  maxRequestLine?: number;
  /**
   * Maximum bytes of a header section, including the CRLF of each line and of the final
   * empty line. A larger one is refused with 431. The limit also applies to a trailer
   * section, which is refused with 400. The sum of this and `maxRequestLine` must not
   * exceed 65,000.
   *
   * @default {16384}
   */
  maxHeaderBytes?: number;
  /**
   * Maximum field lines in a header section. More are refused with 431. The limit also
   * applies to a trailer section, which is refused with 400.
   *
   * @default {100}
   */
  maxHeaders?: number;
  /**
   * Maximum bytes of a body read by `bytes()`, `text()`, `json()` or `arrayBuffer()`. A
   * larger one is refused with 413, as is a body that does not fit in memory.
   * `Infinity` removes the limit. A body read as a stream is not limited.
   *
   * @default {1048576}
   */
  maxBodySize?: number;
  /**
   * Maximum bytes of a body read through a Fetch `Request` or `Response`, as a stream or
   * buffered. A larger one is refused with 413, and the read fails with an `HttpError`.
   * `Infinity` removes the limit.
   *
   * @default {67108864}
   */
  maxFetchBodySize?: number;
}

/**
 * Limits and timeouts of a connection. Timeouts are in milliseconds. They never fire
 * early, and at most a quarter of the shortest one or half a second late, whichever is
 * less (20 ms at least). They count only time in which the event loop runs, so a busy
 * program does not time out its clients. `Infinity` disables a timeout or limit, 0 a
 * rate.
 */
export interface ConnectionLimits {
  /**
   * Time for a head to arrive completely, from its first byte or, for the first head,
   * from the start of the connection. Limits slow senders. Expiry is answered with 408
   * and a close; a connection that has sent nothing is just closed.
   *
   * @default {30000}
   */
  headTimeout?: number;
  /**
   * Time in which a body must make progress while the server waits for it: at least one
   * byte, and as many as `minBodyRate` requires. On expiry the read fails with an
   * `HttpError` with status 408. Time in which the handler does not read is not counted.
   *
   * @default {30000}
   */
  bodyTimeout?: number;
  /**
   * Minimum bytes per second of a body while the server waits for it, averaged over each
   * `bodyTimeout`. Also applies while the rest of a body is discarded. 0 disables it, for
   * clients that stream at a trickle.
   *
   * @default {240}
   */
  minBodyRate?: number;
  /**
   * Maximum total time of all waits for one body. Expiry is handled like that of
   * `bodyTimeout`.
   *
   * @default {3600000}
   */
  totalBodyTimeout?: number;
  /**
   * Time between a response and the next request. On expiry the connection is closed.
   *
   * @default {60000}
   */
  idleTimeout?: number;
  /**
   * Time for a handler to respond once its client may be gone: the input has ended,
   * although a client may half-close and still wait for the response, or more than 64 KiB
   * of input are unread, so that its end cannot be detected. On expiry the connection is
   * dropped and `req.signal` aborted.
   *
   * @default {60000}
   */
  goneTimeout?: number;
  /**
   * Time in which a response must make progress while bytes of it are pending: at least
   * some, and as many as `minResponseRate` requires. On expiry the connection is dropped.
   * Progress is visible only when the system accepts more bytes, on Linux once a third of
   * the send buffer is free, which can be a megabyte. Raise this for clients that read a
   * long response at less than about 50 kB/s.
   *
   * @default {30000}
   */
  writeTimeout?: number;
  /**
   * Minimum bytes per second that a client must read while any are pending, averaged over
   * each `writeTimeout`. 0 disables it.
   *
   * @default {240}
   */
  minResponseRate?: number;
  /**
   * Maximum requests on a connection. The last response closes it.
   *
   * @default {Infinity}
   */
  maxRequests?: number;
  /**
   * Maximum bytes of an unread body that are read and discarded after the response to
   * keep the connection open. With more left, the connection is closed.
   *
   * @default {262144}
   */
  maxDrain?: number;
  /**
   * Maximum bytes of buffered request and response bodies in memory, across all
   * connections of a server. Response chunks up to 64 KiB are not counted, because their
   * memory is bounded per connection. A buffer shared by several responses counts once.
   *
   * A request body that would exceed the limit is refused with 503. If a response would
   * exceed it, the server drops connections whose clients have stopped reading, those
   * that hold the most bytes first. If that does not free enough, the response becomes a
   * 503. A single response larger than the limit throws a `RangeError`: stream it instead.
   *
   * @default {268435456}
   */
  maxBuffered?: number;
}

/** Limits of a server across its connections. */
export interface ServerLimits {
  /**
   * Maximum open connections, including those handed over by `upgrade()`. At the limit
   * none is accepted until one closes; clients wait in the listen backlog. Over TLS, the
   * runtime keeps the file descriptor of a client that stalls in the handshake until
   * that client leaves, even after the server closed the connection.
   *
   * @default {16384}
   */
  maxConnections?: number;
  /**
   * Time for pending requests to be answered after a shutdown begins. On expiry their
   * connections are dropped, except those handed over by `upgrade()`.
   *
   * @default {30000}
   */
  shutdownTimeout?: number;
}

/**
 * Limits and timeouts of a client. Timeouts are in milliseconds, and measured as those of
 * {@linkcode ConnectionLimits}: never early, and at most half a second late. `Infinity`
 * disables a timeout.
 */
export interface ClientLimits {
  /**
   * Time from the end of a request to the complete head of its final response. On expiry
   * the request fails with an `HttpError` (`head-timeout`), and the connection closes.
   *
   * @default {30000}
   */
  headTimeout?: number;
  /**
   * Time in which a body must make progress while the program waits for it: at least one
   * byte, and as many as `minBodyRate` requires. On expiry the read fails with an
   * `HttpError` (`body-timeout`), and the connection closes. Time in which the program
   * does not read is counted only after `close()`. Raise it, `minBodyRate` and
   * `totalBodyTimeout` for a response without end, such as a log or events.
   *
   * @default {30000}
   */
  bodyTimeout?: number;
  /**
   * Minimum bytes per second of a response body while the program waits for it, averaged
   * over each `bodyTimeout`, and of the server's reading while a request is written,
   * averaged over each `writeTimeout`. 0 disables it.
   *
   * @default {240}
   */
  minBodyRate?: number;
  /**
   * Maximum total time of all waits for one body.
   *
   * @default {3600000}
   */
  totalBodyTimeout?: number;
  /**
   * Time without a request after which the connection is closed.
   *
   * @default {60000}
   */
  idleTimeout?: number;
  /**
   * Time in which the server must read something while bytes of requests are pending. On
   * expiry the connection closes, after the response that has begun.
   *
   * @default {30000}
   */
  writeTimeout?: number;
  /**
   * Time that a body whose request has `Expect: 100-continue` waits for a 100 (Continue).
   * Then it is sent without one (RFC 9110 §10.1.1). At most 2,147,483,647.
   *
   * @default {1000}
   */
  continueTimeout?: number;
  /**
   * Maximum bytes of an unread body that are read and discarded after the release of its
   * response to keep the connection open. With more left, or after two seconds, the
   * connection is closed.
   *
   * @default {262144}
   */
  maxDrain?: number;
  /**
   * Maximum requests that are sent and not yet answered to their end (RFC 9112 §9.3.2).
   * With 1, the requests go out one after the other.
   *
   * @default {1}
   */
  pipeline?: number;
  /**
   * Maximum requests that wait to be sent. Another one is rejected with a retryable
   * `RequestError`.
   *
   * @default {1024}
   */
  maxQueued?: number;
}

/** The default and the minimum of a limit. */
interface Limit {
  readonly value: number;
  readonly least: number;
  /** Whether `Infinity` is allowed. */
  readonly unbounded: boolean;
}

type LimitName =
  | keyof ParserLimits
  | keyof ConnectionLimits
  | keyof ServerLimits
  | keyof ClientLimits;

/**
 * All limits and timeouts. To add one, add its doc above, its row here, and a line in
 * the `resolve…` function of its interface.
 */
const LIMITS: Readonly<Record<LimitName, Limit>> = {
  maxRequestLine: { value: 8192, least: 0, unbounded: false },
  maxHeaderBytes: { value: 16_384, least: 0, unbounded: false },
  maxHeaders: { value: 100, least: 0, unbounded: false },
  maxBodySize: { value: 1_048_576, least: 0, unbounded: true },
  maxFetchBodySize: { value: 67_108_864, least: 0, unbounded: true },
  headTimeout: { value: 30_000, least: 1, unbounded: true },
  bodyTimeout: { value: 30_000, least: 1, unbounded: true },
  minBodyRate: { value: 240, least: 0, unbounded: false },
  totalBodyTimeout: { value: 3_600_000, least: 1, unbounded: true },
  idleTimeout: { value: 60_000, least: 1, unbounded: true },
  goneTimeout: { value: 60_000, least: 1, unbounded: true },
  writeTimeout: { value: 30_000, least: 1, unbounded: true },
  minResponseRate: { value: 240, least: 0, unbounded: false },
  maxRequests: { value: Infinity, least: 1, unbounded: true },
  maxDrain: { value: 262_144, least: 0, unbounded: true },
  maxBuffered: { value: 268_435_456, least: 0, unbounded: true },
  maxConnections: { value: 16_384, least: 1, unbounded: true },
  shutdownTimeout: { value: 30_000, least: 1, unbounded: true },
  continueTimeout: { value: 1000, least: 0, unbounded: false },
  pipeline: { value: 1, least: 1, unbounded: false },
  maxQueued: { value: 1024, least: 0, unbounded: false },
};

/** Offsets in a head are 16 bits wide; the margin is for line ends. */
const MAX_HEAD = 65_000;
/** A timer of more milliseconds fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;
/** A name of one character, a colon, CRLF. */
const SHORTEST_FIELD_LINE = 4;

/**
 * Validates the limits of a message and fills in defaults.
 *
 * @throws {RangeError} A limit is out of range.
 */
export function resolveParserLimits(
  options: ParserLimits,
): Required<ParserLimits> {
  const limits = {
    maxRequestLine: resolve(options, "maxRequestLine"),
    maxHeaderBytes: resolve(options, "maxHeaderBytes"),
    maxHeaders: resolve(options, "maxHeaders"),
    maxBodySize: resolve(options, "maxBodySize"),
    maxFetchBodySize: resolve(options, "maxFetchBodySize"),
  };
  const { maxRequestLine, maxHeaderBytes, maxHeaders } = limits;
  const head = maxRequestLine + maxHeaderBytes;
  if (head > MAX_HEAD) {
    throw new RangeError(
      `maxRequestLine and maxHeaderBytes add up to ${head}; expected ${MAX_HEAD} at most`,
    );
  }
  // Field tables are sized by `maxHeaders`, so cap it at what fits the section.
  const most = Math.floor(maxHeaderBytes / SHORTEST_FIELD_LINE);
  return { ...limits, maxHeaders: Math.min(maxHeaders, most) };
}

/** Validates the limits of a connection and fills in defaults. */
export function resolveConnectionLimits(
  options: ConnectionLimits,
): Required<ConnectionLimits> {
  return {
    headTimeout: resolve(options, "headTimeout"),
    bodyTimeout: resolve(options, "bodyTimeout"),
    minBodyRate: resolve(options, "minBodyRate"),
    totalBodyTimeout: resolve(options, "totalBodyTimeout"),
    idleTimeout: resolve(options, "idleTimeout"),
    goneTimeout: resolve(options, "goneTimeout"),
    writeTimeout: resolve(options, "writeTimeout"),
    minResponseRate: resolve(options, "minResponseRate"),
    maxRequests: resolve(options, "maxRequests"),
    maxDrain: resolve(options, "maxDrain"),
    maxBuffered: resolve(options, "maxBuffered"),
  };
}

/** Validates the limits of a server and fills in defaults. */
export function resolveServerLimits(
  options: ServerLimits,
): Required<ServerLimits> {
  return {
    maxConnections: resolve(options, "maxConnections"),
    shutdownTimeout: resolve(options, "shutdownTimeout"),
  };
}

/** Validates the limits of a client and fills in defaults. */
export function resolveClientLimits(
  options: ClientLimits,
): Required<ClientLimits> {
  const limits = {
    headTimeout: resolve(options, "headTimeout"),
    bodyTimeout: resolve(options, "bodyTimeout"),
    minBodyRate: resolve(options, "minBodyRate"),
    totalBodyTimeout: resolve(options, "totalBodyTimeout"),
    idleTimeout: resolve(options, "idleTimeout"),
    writeTimeout: resolve(options, "writeTimeout"),
    continueTimeout: resolve(options, "continueTimeout"),
    maxDrain: resolve(options, "maxDrain"),
    pipeline: resolve(options, "pipeline"),
    maxQueued: resolve(options, "maxQueued"),
  };
  if (limits.continueTimeout > LONGEST_TIMER) {
    throw new RangeError(
      `continueTimeout is ${limits.continueTimeout}; expected ${LONGEST_TIMER} at most`,
    );
  }
  return limits;
}

function resolve<Name extends LimitName>(
  options: { readonly [name in Name]?: number },
  name: Name,
): number {
  const { value, least, unbounded } = LIMITS[name];
  const given = options[name] ?? value;
  if (
    !(given >= least) ||
    !(Number.isSafeInteger(given) || (unbounded && given === Infinity))
  ) {
    throw new RangeError(
      `${name} is ${given}; expected a whole number from ${least} on` +
        (unbounded ? ", or Infinity" : ""),
    );
  }
  return given;
}
