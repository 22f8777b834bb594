/**
 * The external programs that tests and benchmarks start, and the packages that contain
 * them.
 *
 * If a program is missing, the tests that need it are skipped and `tests/run.ts` says
 * what to install. In CI a missing program fails the run.
 *
 * @module
 */

/** The Debian and Homebrew packages of each program. */
export const PACKAGES = {
  ab: { debian: "apache2-utils", homebrew: "httpd" },
  apache2: { debian: "apache2-bin", homebrew: "httpd" },
  chromium: { debian: "chromium", homebrew: "chromium" },
  curl: { debian: "curl", homebrew: "curl" },
  haproxy: { debian: "haproxy", homebrew: "haproxy" },
  nginx: { debian: "nginx-light", homebrew: "nginx" },
  openssl: { debian: "openssl", homebrew: "openssl" },
  python3: { debian: "python3", homebrew: "python" },
  wrk: { debian: "wrk", homebrew: "wrk" },
} as const;

/** The name of an external program. */
export type Program = keyof typeof PACKAGES;

/** The path of a program, on the PATH or where Debian puts servers; `null` without it. */
export function pathOf(program: string): string | null {
  const windows = Deno.build.os === "windows";
  const folders = (Deno.env.get("PATH") ?? "").split(windows ? ";" : ":");
  const paths = [...folders, "/usr/sbin"].map((folder) =>
    `${folder}/${program}${windows ? ".exe" : ""}`
  );
  const isFile = (path: string) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  };
  return paths.find(isFile) ?? null;
}

/** Whether a program is installed. */
export function exists(program: string): boolean {
  return pathOf(program) !== null;
}

/** Whether the run is in CI, where no test may be skipped. */
export function inCI(): boolean {
  return Deno.env.get("CI") === "true";
}

/**
 * Test options that ignore a test if one of its programs is missing. In CI the test
 * always runs.
 *
 * ```ts ignore
 * Deno.test("wrk: fifty connections", needs("wrk"), async () => {});
 * ```
 */
export function needs(...programs: Program[]): { ignore: boolean } {
  return { ignore: !inCI() && !programs.every(exists) };
}

/** Lists the missing programs and how to install them, or returns `null`. */
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
