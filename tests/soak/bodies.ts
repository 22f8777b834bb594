/**
 * The bodies of the soak.
 *
 * @module
 */

/** A text of `size` characters that shows its id everywhere. */
export function bodyOf(id: string, size: number): string {
  const unit = `${id} `;
  return unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
}
