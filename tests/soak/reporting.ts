/**
 * The side of a process of the soak that tells of it. The line `finish` on the standard
 * input lets the process come to its end; the end of the standard input ends it at once,
 * so it does not outlive the process that started it.
 *
 * @module
 */

import { type Sample, SAMPLE_MS, type Started } from "./report.ts";

const began = performance.now();
const unhandled: string[] = [];

/** Keeps the first texts: a fault that repeats must not look like a leak. */
export function note(texts: string[], error: unknown): void {
  if (texts.length < 20) {
    texts.push(error instanceof Error ? `${error.stack}` : String(error));
  }
}

globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  note(unhandled, event.reason);
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  note(unhandled, event.error);
});

/** The file descriptors of this process, or -1 where the system does not list them. */
export function openFiles(): number {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch {
    return -1;
  }
}

function tell(message: Sample | Started): void {
  console.log(JSON.stringify(message));
}

function sample(final: boolean): Sample {
  (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, rss, external } = Deno.memoryUsage();
  return {
    kind: "sample",
    final,
    seconds: (performance.now() - began) / 1000,
    heapUsed,
    rss,
    external,
    openFiles: openFiles(),
    unhandled,
  };
}

/** Tells that the process has started. `port` is 0 if it does not listen. */
export function tellStarted(port: number): void {
  tell({ kind: "started", port, openFiles: openFiles() });
}

/**
 * Tells the state of the process, with what `state` adds, until it is told to finish;
 * then once more after `finish`, and exits.
 */
export async function report<S extends Sample>(
  state: () => Omit<S, keyof Sample>,
  finish: () => Promise<void>,
): Promise<never> {
  const tellAll = (final: boolean) => tell({ ...sample(final), ...state() });
  setInterval(() => tellAll(false), SAMPLE_MS);
  for await (const chunk of Deno.stdin.readable) {
    if (!new TextDecoder().decode(chunk).includes("finish")) continue;
    await finish();
    tellAll(true);
    Deno.exit(0);
  }
  Deno.exit(2);
}

/** Waits until `atRest` holds, for so long at most. */
export async function waitFor(
  atRest: () => boolean,
  milliseconds: number,
): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end && !atRest()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
