/**
 * A stand-in for the part of `@std/streams` that the tests use.
 *
 * @module
 */

export async function toText(stream: ReadableStream): Promise<string> {
  return await new Response(stream).text();
}
