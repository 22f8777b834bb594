/**
 * From request to response on a connection in memory, without the system's sockets; one
 * group for each input. For `deno bench`.
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
