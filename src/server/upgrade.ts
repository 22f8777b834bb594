/**
 * The head of the response that accepts an upgrade or a tunnel.
 *
 * @module
 */

import type { PooledRequest } from "../message/request.ts";
import { CONNECT } from "../wire/names.ts";
import { listElements } from "../wire/text.ts";
import type { FieldPair } from "../io/field_writer.ts";
import type { HttpResponseInit } from "./response.ts";
import {
  checkInit,
  checkStatus,
  planFields,
  statusLine,
} from "./response_plan.ts";

/** The head of the response to an accepted upgrade. */
interface UpgradeHead {
  status: number;
  /** The status line. */
  line: string;
  fields: FieldPair[];
}

/**
 * Plans that head: 101 for Upgrade, 2xx for CONNECT (RFC 9110 §7.8, §9.3.6).
 *
 * @throws {TypeError} The init asks for something else.
 */
export function planUpgrade(
  request: PooledRequest,
  init: Omit<HttpResponseInit, "trailers"> = {},
): UpgradeHead {
  checkInit(init);
  const connect = request.line.method === CONNECT;
  const status = checkStatus(init.status ?? (connect ? 200 : 101));
  if (connect ? status < 200 || status > 299 : status !== 101) {
    throw new TypeError(
      `the status of an upgrade is ${connect ? "2xx" : "101"}, not ${status}`,
    );
  }
  const line = statusLine(
    status,
    init.statusText ?? (connect ? "Connection Established" : undefined),
  );
  const plan = planFields(init.headers);
  if (plan.contentLength >= 0) {
    throw new TypeError("an upgrade has no body, and no Content-Length");
  }
  const fields = [...plan.lines];
  if (connect) {
    // A 101 is an interim response, and has no Date.
    if (!plan.hasDate) fields.unshift(["Date", new Date().toUTCString()]);
    return { status, line, fields };
  }
  fields.push(["Connection", `Upgrade${plan.options}`]);
  if (plan.upgrade === null) {
    const offered = request.fields.get("upgrade")!;
    fields.push(["Upgrade", listElements(offered)[0]!]);
  }
  return { status, line, fields };
}
