/**
 * Random choices that a seed repeats.
 *
 * @module
 */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A sequence of choices. */
export class Random {
  readonly #generator;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    return uniformInt(this.#generator, least, most);
  }

  /** Whether an event of this chance happens. */
  chance(probability: number): boolean {
    return this.integer(0, 999_999) < probability * 1_000_000;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }

  /** The text in one to `most` pieces, none of them empty. */
  pieces(text: string, most: number): string[] {
    const pieces: string[] = [];
    let rest = text;
    for (let i = this.integer(1, most); i > 1 && rest.length > 1; i--) {
      const cut = this.integer(1, rest.length - 1);
      pieces.push(rest.slice(0, cut));
      rest = rest.slice(cut);
    }
    return [...pieces, rest];
  }
}
