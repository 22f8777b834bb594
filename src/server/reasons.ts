/**
 * The errors that a server gives to its program: reasons of signals, of streams and of
 * promises, and what is wrong with a handler.
 *
 * @module
 */

/** The reason when the client has ended its input. */
export function endedError(): DOMException {
  return new DOMException("the client ended the connection", "AbortError");
}

/** The reason when the client may have left and the handler did not answer. */
export function silentError(): DOMException {
  return new DOMException(
    "the client may have left, and the handler did not answer in time",
    "TimeoutError",
  );
}

/** The reason when the client reads a response too slowly, or not at all. */
export function unreadError(): DOMException {
  return new DOMException(
    "the client read too little of the response in time",
    "TimeoutError",
  );
}

/** The reason when the server's buffers are full, and a response gave way. */
export function shedError(): DOMException {
  return new DOMException(
    "the server holds as many bytes as maxBuffered allows",
    "QuotaExceededError",
  );
}

/** What `info.closing` aborts with. */
export function closingError(): DOMException {
  return new DOMException("the server shuts down", "AbortError");
}

/** The reason when a server that shuts down waits no longer. */
export function deadlineError(): DOMException {
  return new DOMException(
    "the server shut down before the response was done",
    "TimeoutError",
  );
}

/** A function of the module was given no handler. */
export function noHandlerError(caller: string): TypeError {
  return new TypeError(
    `${caller} needs a handler: a function (req, res), or fetchHandler(app)`,
  );
}

/** What is wrong with a handler that is done and has not answered. */
export function noResponseError(result: unknown): TypeError {
  return new TypeError(
    result instanceof Response
      ? "the handler returned a Response; serve it by fetchHandler(handler)"
      : "the handler ended without a response",
  );
}

/** The reason when a response finds its connection closed. */
export function goneError(): DOMException {
  return new DOMException("the client is gone", "AbortError");
}

/** Why the stream of a body is cancelled that is not sent, such as that of a HEAD. */
export function unsentError(): TypeError {
  return new TypeError("the response is sent without its body");
}
