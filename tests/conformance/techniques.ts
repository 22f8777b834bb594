/**
 * Rows for request smuggling (RFC 9112 §11.2). A row names the technique, the source
 * that describes it and the bytes. It runs as a row of `table.ts` does, and over TCP
 * against a server: there it pins how many responses come, which requests the handler
 * gets, and that the connection ends after a refusal.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Handler, HttpErrorCode } from "@pooled/http1";
import { RawClient } from "../support/raw_client.ts";
import { answersIn, fieldOf } from "../support/response_reader.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";
import { accept, MARK, POST, refuse, refuseBody, STATUS } from "./table.ts";

/** A request that must never come out of the rows that are refused. */
export const SMUGGLED = "GET /admin HTTP/1.1\r\nHost: b\r\n\r\n";

/** A POST with one Transfer-Encoding field, an empty chunked body, and the smuggled request. */
export function coded(value: string): string {
  return `${POST}Transfer-Encoding: ${value}\r\n\r\n0\r\n\r\n${SMUGGLED}`;
}

/** A POST with one Content-Length field, and the smuggled request. */
export function sized(value: string): string {
  return `${POST}Content-Length: ${value}\r\n\r\n${SMUGGLED}`;
}

/** `[source, title, wire, code]` of a row that is refused. */
export type RefusedRow = readonly [string, string, string, HttpErrorCode];
/** `[source, title, wire, requests]` of a row whose requests all come out. */
export type AcceptedRow = readonly [string, string, string, Came[]];
/** A request that comes out: its target and its body. */
export type Came = readonly [target: string, body: string];

interface Technique {
  name: string;
  wire: string;
  /** The requests whose heads are good. */
  came: Came[];
  code: HttpErrorCode | null;
}

/** The rows of one topic. */
export class Techniques {
  readonly #rows: Technique[] = [];

  /** Rows whose head is refused. */
  refusedHeads(rows: readonly RefusedRow[]): void {
    for (const [source, title, wire, code] of rows) {
      refuse(source, title, wire, code);
      this.#add(source, title, wire, [], code);
    }
  }

  /** Rows whose first head is good and whose body is refused. */
  refusedBodies(rows: readonly RefusedRow[]): void {
    for (const [source, title, wire, code] of rows) {
      refuseBody(source, title, wire, code);
      this.#add(source, title, wire, [["/", ""]], code);
    }
  }

  /** Rows that have one reading: exactly these requests. */
  accepted(rows: readonly AcceptedRow[]): void {
    for (const [source, title, wire, came] of rows) {
      const expected = came.map(([target, body]) => ({ target, body }));
      accept(source, title, wire, expected);
      this.#add(source, title, wire, came, null);
    }
  }

  #add(
    source: string,
    title: string,
    wire: string,
    came: Came[],
    code: HttpErrorCode | null,
  ): void {
    this.#rows.push({
      name: `${source}: ${title}`,
      wire: wire.replace(MARK, ""),
      came,
      code,
    });
  }

  /** Runs all rows over TCP, with handlers that read bodies and with some that do not. */
  overTcp(topic: string): void {
    for (const reads of [true, false]) {
      test(
        `${topic} over TCP, the body ${reads ? "read" : "left unread"}`,
        () => serveRows(this.#rows, reads),
      );
    }
  }
}

async function serveRows(rows: Technique[], reads: boolean): Promise<void> {
  let got: Came[] = [];
  const handler: Handler = async (req, res) => {
    const { target } = req;
    const came: [string, string] = [target, ""];
    got.push(came);
    if (reads) came[1] = await req.text();
    res.send("answered");
  };
  await withServer(handler, async ({ port, errors }) => {
    for (const { name, wire, came, code } of rows) {
      got = [];
      using client = await RawClient.connect(port);
      await client.send(wire);
      // After a refusal the server ends the connection by itself.
      if (code === null) await (client.conn as Deno.TcpConn).closeWrite();
      const answers = answersIn(await client.rest())
        .filter(({ status }) => status >= 200);
      const statuses = answers.map(({ status }) => status);
      const refusal = STATUS[code!] ?? 400;
      if (code === null) assertEquals(statuses, came.map(() => 200), name);
      else if (came.length === 0 || reads) {
        assertEquals(statuses, [refusal], name);
      } else assertEquals(statuses, [200], name);
      if (code !== null) {
        assertEquals(fieldOf(answers.at(-1)!, "connection"), "close", name);
      }
      assertEquals(
        got,
        came.map(([target, body]) => [target, reads ? body : ""]),
        name,
      );
      assert(client.ended, name);
    }
    assertEquals(errors, []);
  });
}
