/**
 * From request to response on a connection in memory, a group for each input: what the
 * server costs without the system's sockets. `deno bench` runs it.
 */

import { register } from "./lib/cases.ts";

const PIPELINED = "simple GETs, a thousand a read";

register({
  Write200OK: PIPELINED,
  HandlerAsync: PIPELINED,
  WriteText: PIPELINED,
  WriteJSONResponse: PIPELINED,
  KeepAlive10Requests: "ten simple GETs, one a read",
});
