/**
 * Preloaded by `deno task test:poison`: every set of pools of the tests checks its
 * users. A fault fails the test file even where a server has caught it. Responses are
 * read the public way, as on a runtime whose objects look different inside.
 *
 * @module
 */

import { watchFaults } from "../../src/memory/poison.ts";
import { poisonByDefault } from "../../src/message/pools.ts";
import { insides } from "../../src/server/response_insides.ts";

poisonByDefault();
insides.enabled = false;
watchFaults((fault) => reportError(fault));
