/**
 * A self-signed certificate for a server on this machine.
 *
 * @module
 */

import { assert } from "@std/assert";
import { textOf } from "./bytes.ts";

/** A certificate of a server on this machine, and its key. */
export interface Certificate {
  /** In PEM format. */
  cert: string;
  key: string;
  /** Their files, which exist as long as the folder that the caller gave. */
  certFile: string;
  keyFile: string;
}

/** Makes a certificate, in `folder` or in one of its own that it removes. */
export async function makeCertificate(folder?: string): Promise<Certificate> {
  const directory = folder ?? await Deno.makeTempDir();
  const [certFile, keyFile] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt"],
      ...["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", "/CN=localhost", "-keyout", keyFile, "-out", certFile],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ],
  }).output().catch((error) => {
    throw new Error("openssl is missing: apt-get install openssl", {
      cause: error,
    });
  });
  assert(success, textOf(stderr));
  const cert = await Deno.readTextFile(certFile);
  const key = await Deno.readTextFile(keyFile);
  if (folder === undefined) await Deno.remove(directory, { recursive: true });
  return { cert, key, certFile, keyFile };
}
