/**
 * Preloaded by `deno task test:poison`: every set of pools of the tests checks its
 * users. A fault fails the test file even where a server has caught it.
 *
 * @module
 */

import { watchFaults } from "../../src/memory/poison.ts";
import { poisonByDefault } from "../../src/message/pools.ts";

poisonByDefault();
watchFaults((fault) => reportError(fault));
