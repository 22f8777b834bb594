/**
 * Runs headless Chromium.
 *
 * @module
 */

import { start } from "./programs.ts";
import { within } from "./waiting.ts";

/** Opens a page in a browser of its own, and closes it once `done` settles. */
export async function whileBrowsing<T>(
  url: string,
  flags: string[],
  done: Promise<T>,
): Promise<T> {
  const profile = Deno.makeTempDirSync();
  const browser = start("chromium", [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"],
    ...["--no-first-run", "--disable-background-networking"],
    ...["--disable-component-update", "--disable-sync"],
    ...["--disable-dev-shm-usage", `--user-data-dir=${profile}`],
    ...[...flags, url],
  ]);
  // Drains the pipes, so that the browser never blocks on them.
  const said = browser.output();
  try {
    return await within(done, "the page to be done");
  } finally {
    browser.kill();
    await said;
    await removeProfile(profile);
  }
}

/** Removes the profile, retrying while child processes of the browser still write to it. */
async function removeProfile(profile: string): Promise<void> {
  for (let left = 50;; left--) {
    try {
      return Deno.removeSync(profile, { recursive: true });
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
