/**
 * More than one core: each worker listens on the same port, and the system distributes
 * the connections.
 *
 * `deno run -N -R --unstable-net examples/workers.ts 8000 4`; the last flag allows
 * listeners to share a port, and `-R` lets each worker load this file again.
 *
 * @module
 */

import { serve } from "@pooled/http1";

declare const self: {
  name: string;
  onmessage: ((event: MessageEvent<number>) => void) | null;
  postMessage(message: string): void;
};

// A worker runs this same file, but has a name.
if (self.name === "") {
  const port = Number(Deno.args[0] ?? 8000);
  const count = Number(Deno.args[1] ?? navigator.hardwareConcurrency);
  for (let i = 0; i < count; i++) {
    const worker = new Worker(import.meta.url, {
      type: "module",
      name: `worker ${i}`,
    });
    worker.onmessage = ({ data }) => console.log(data);
    worker.postMessage(port);
  }
} else {
  self.onmessage = ({ data: port }) => {
    serve({
      port,
      reusePort: true,
      onListen: () => self.postMessage(`${self.name} listens on port ${port}`),
    }, (_req, res) => res.send(`answered by ${self.name}\n`));
  };
}
