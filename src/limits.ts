/**
 * Every limit and timeout, with its default and its range.
 *
 * @module
 */

/** Bounds on a message. Each is checked as the bytes arrive. */
export interface ParserLimits {
  /**
   * Bytes of a request line without its CRLF; more is refused with 414.
   *
   * @default {8192}
   */
  maxRequestLine?: number;
  /**
   * Bytes of a header section with the CRLF of each line and of its end; more is
   * refused with 431. Trailers have the same bound; more of them is refused with
   * 400. Together with `maxRequestLine` at most 65,000.
   *
   * @default {16384}
   */
  maxHeaderBytes?: number;
  /**
   * Field lines in a header section; more is refused with 431.
   *
   * @default {100}
   */
  maxHeaders?: number;
  /**
   * Bytes of a body that `bytes()`, `text()`, `json()` and `arrayBuffer()` gather;
   * more is refused with 413, as is a body that memory does not hold. `Infinity`
   * switches the limit off. A body that is read as a stream has no bound.
   *
   * @default {1048576}
   */
  maxBodySize?: number;
  /**
   * Bytes of a body that is read through a Fetch `Request`, whichever way; more is
   * refused with 413: the reader meets an `HttpError`. `Infinity` switches the limit off.
   *
   * @default {67108864}
   */
  maxFetchBodySize?: number;
}

/**
 * Limits and timeouts of a connection, besides those on a message. Times are in
 * milliseconds; one is late by up to a quarter of the shortest of them, or half a
 * second, and never early. They are measured in what the program was able to attend
 * to: a busy program times nobody out. `Infinity` switches one off.
 *
 * | option | default | what happens then |
 * |---|---|---|
 * | `headTimeout` | 30 s from the first byte of a head, or from the start of the connection, to the end of the head | 408, close |
 * | `bodyTimeout` | 30 s of waiting for a body that comes at less than `minBodyRate` | the reader of the body meets an `HttpError`; 408, close |
 * | `minBodyRate` | 240 bytes a second, over each `bodyTimeout` | as `bodyTimeout` |
 * | `totalBodyTimeout` | 3600 s of waiting for one body | as `bodyTimeout` |
 * | `idleTimeout` | 60 s between two requests | close |
 * | `goneTimeout` | 60 s for a handler whose client may be gone | the connection is dropped |
 * | `writeTimeout` | 30 s in which the client takes less than `minResponseRate` | the connection is dropped |
 * | `minResponseRate` | 240 bytes a second, over each `writeTimeout` | as `writeTimeout` |
 * | `maxRequests` | no bound on the requests of a connection | the last response says `Connection: close` |
 * | `maxDrain` | 256 KiB of a body that the handler did not read | close after the response |
 * | `maxBuffered` | 256 MiB of bodies and responses, over all connections of a server | 503 |
 */
export interface ConnectionLimits {
  /**
   * From the first byte of a head, or from the start of the connection, to the end
   * of the head: bounds slow senders. Answered with 408.
   *
   * @default {30000}
   */
  headTimeout?: number;
  /**
   * The time in which a body that the server waits for makes progress: a byte, or as
   * many as `minBodyRate` asks for. The reader of the body meets an `HttpError` with the
   * status 408. Time in which the handler does not read does not count.
   *
   * @default {30000}
   */
  bodyTimeout?: number;
  /**
   * Bytes a second that a body has to come at while the server waits for it, on average
   * over each `bodyTimeout`; also while the rest of it is discarded. 0 switches it off,
   * for clients that stream at a trickle.
   *
   * @default {240}
   */
  minBodyRate?: number;
  /**
   * The time that the server waits for one body, all waits together. Answered as
   * `bodyTimeout` is.
   *
   * @default {3600000}
   */
  totalBodyTimeout?: number;
  /**
   * Between a response and the next request. The connection is closed.
   *
   * @default {60000}
   */
  idleTimeout?: number;
  /**
   * What a handler has to answer once its client may be gone: the input has ended, which
   * a client that waits for the answer can do too, or more than 64 KiB of it lie unread,
   * so its end can't be seen. The connection is dropped then, and `req.signal` aborted.
   *
   * @default {60000}
   */
  goneTimeout?: number;
  /**
   * The time in which a response makes progress, or takes in as much as
   * `minResponseRate` asks for. Else the connection is dropped.
   * Progress shows only when the system takes more, on Linux once a third of its send
   * buffer has left, which can be a megabyte: a client that steadily takes less than
   * some 50 kB/s of a long response needs a longer time than the default.
   *
   * @default {30000}
   */
  writeTimeout?: number;
  /**
   * Bytes a second that a client has to take while any wait for it, on average over each
   * `writeTimeout`. 0 switches it off.
   *
   * @default {240}
   */
  minResponseRate?: number;
  /**
   * Requests on a connection; the last response closes it.
   *
   * @default {Infinity}
   */
  maxRequests?: number;
  /**
   * Bytes of a body that are read and thrown away when the handler left them, so
   * that the connection can be kept; with more it is closed.
   *
   * @default {262144}
   */
  maxDrain?: number;
  /**
   * Bytes that buffered bodies and responses hold in memory, over all connections of a
   * server. What is smaller than 32 KiB, and what a stream has in flight, is not counted:
   * that is bounded for each connection. Memory that several responses are made of counts
   * once.
   *
   * A body that would pass the bound is refused with 503. For a response that would,
   * connections whose clients have stopped to read are dropped, those that hold most
   * first; where that makes no room, it becomes a 503. A single response larger than
   * the bound throws a `RangeError`: stream it.
   *
   * @default {268435456}
   */
  maxBuffered?: number;
}

/** The bound of a server on all its connections. */
export interface ServerLimits {
  /**
   * Connections at once, with those that `upgrade()` handed over. With so many,
   * none is accepted until one closes; clients wait in the queue of the system.
   * Over TLS the runtime keeps the descriptor of a client that stalls in its handshake
   * until that client leaves, also after its connection was closed here.
   *
   * @default {16384}
   */
  maxConnections?: number;
  /**
   * What requests have to be answered once the server shuts down; then their connections
   * are dropped. Those that `upgrade()` handed over stay.
   *
   * @default {30000}
   */
  shutdownTimeout?: number;
}

/** A limit: its default, and the least that it can be set to. */
interface Limit {
  readonly value: number;
  readonly least: number;
  /** Whether `Infinity` switches it off. */
  readonly unbounded: boolean;
}

type LimitName =
  | keyof ParserLimits
  | keyof ConnectionLimits
  | keyof ServerLimits;

/**
 * Every limit and timeout. To add one, write its doc above, its row here, and its line
 * in the function below that resolves its kind.
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
};

/** A head must fit a 16-bit offset, with room for what ends it. */
const MAX_HEAD = 65_000;
/** No field line is shorter: a character as its name, a colon, CRLF. */
const SHORTEST_FIELD_LINE = 4;

/**
 * The limits of a message with their defaults filled in.
 *
 * @throws {RangeError} One is out of its range.
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
  // Tables are made to this measure.
  const most = Math.floor(maxHeaderBytes / SHORTEST_FIELD_LINE);
  return { ...limits, maxHeaders: Math.min(maxHeaders, most) };
}

/** The same for a connection. */
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

/** The same for a server. */
export function resolveServerLimits(
  options: ServerLimits,
): Required<ServerLimits> {
  return {
    maxConnections: resolve(options, "maxConnections"),
    shutdownTimeout: resolve(options, "shutdownTimeout"),
  };
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
