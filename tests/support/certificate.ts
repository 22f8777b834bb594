/**
 * Self-signed certificates for TLS servers on localhost.
 *
 * @module
 */

import { assert } from "@std/assert";
import { textOf } from "./bytes.ts";

/** A certificate for localhost and its private key. */
export interface Certificate {
  /** The certificate in PEM format. */
  cert: string;
  key: string;
  /** The PEM files. They exist only if the caller passed a folder. */
  certFile: string;
  keyFile: string;
}

/** Creates a certificate in `folder`, or in a temporary folder that it then removes. */
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
