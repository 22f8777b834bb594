/**
 * Each example starts with the command that its header documents.
 */

import { makeCertificate } from "../support/certificate.ts";
import { documentedCommand, Example } from "../support/example.ts";
import { test } from "../support/waiting.ts";

const folder = new URL("../../examples/", import.meta.url);
for (const { name, isFile } of [...Deno.readDirSync(folder)]) {
  if (!isFile) continue;
  test(`example: ${name} starts with its documented command`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await makeCertificate(directory);
      const args = documentedCommand(name).map((word) =>
        word.replace(/^\d{4}$/, "0")
          .replace(/^(?=(?:cert|key)\.pem$)|^\/tmp(?=\/)/, `${directory}/`)
      );
      await using example = Example.command(args);
      await example.line(
        /istening on|listens on|\d+ requests|for a tunnel|\d+ passed/,
      );
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
