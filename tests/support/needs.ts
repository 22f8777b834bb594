/**
 * The programs of others that tests and benchmarks start, and where to get them.
 *
 * A machine that lacks one leaves out the tests that need it, and `tests/run.ts` names
 * both. In CI a missing program fails the run: there everything is tested.
 *
 * @module
 */

/** Each program with the packages that have it: Debian's and Homebrew's. */
export const PACKAGES = {
  ab: { debian: "apache2-utils", homebrew: "httpd" },
  chromium: { debian: "chromium", homebrew: "chromium" },
  curl: { debian: "curl", homebrew: "curl" },
  openssl: { debian: "openssl", homebrew: "openssl" },
  python3: { debian: "python3", homebrew: "python" },
  wrk: { debian: "wrk", homebrew: "wrk" },
} as const;

/** A program that a test can ask for. */
export type Program = keyof typeof PACKAGES;

/** Whether a program is on the PATH. */
export function exists(program: string): boolean {
  const windows = Deno.build.os === "windows";
  return (Deno.env.get("PATH") ?? "").split(windows ? ";" : ":").some(
    (folder) => {
      try {
        return Deno.statSync(`${folder}/${program}${windows ? ".exe" : ""}`)
          .isFile;
      } catch {
        return false;
      }
    },
  );
}

/** Whether this run must not leave anything out. */
export function inCI(): boolean {
  return Deno.env.get("CI") === "true";
}

/**
 * The options of a test that starts these programs: outside of CI it is ignored where
 * one of them is missing.
 *
 * ```ts ignore
 * Deno.test("wrk: fifty connections", needs("wrk"), async () => {});
 * ```
 */
export function needs(...programs: Program[]): { ignore: boolean } {
  return { ignore: !inCI() && !programs.every(exists) };
}

/** What is missing here and how to install it, or `null` where nothing is. */
export function missingPrograms(): string | null {
  const missing = (Object.keys(PACKAGES) as Program[])
    .filter((program) => !exists(program));
  if (missing.length === 0) return null;
  const packages = (of: "debian" | "homebrew") =>
    missing.map((program) => PACKAGES[program][of]).join(" ");
  return `${missing.join(", ")} not found: \`apt-get install ` +
    `${packages("debian")}\` on Debian, \`brew install ` +
    `${packages("homebrew")}\` on macOS`;
}
