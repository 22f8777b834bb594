/**
 * The sizes of pooled memory, and the thresholds between two ways to read and write.
 *
 * @module
 */

// ---------------------------------------------------------------------- slabs

/** The capacities of the three tiers of slabs, in bytes. */
export const SLAB_SIZES: readonly [number, number, number] = [
  2048,
  16384,
  65536,
];
export const LAST_TIER = 2;
/** The tier of a slab that was made to measure and will not be kept. */
export const OVERSIZE = 3;
/** Idle slabs of each tier kept at the most: 2 MiB, 4 MiB, 4 MiB, and none oversize. */
export const IDLE_SLABS: readonly number[] = [1024, 256, 64, 0];
/**
 * Bytes past the capacity of a slab. The scanner reads up to eight bytes at a
 * time, and stops on the NUL that follows the last byte of the window.
 */
export const SLAB_PADDING = 16;
/** Memories of each tier that a checked pool holds back, to catch late writes. */
export const QUARANTINED = 16;

// ------------------------------------------------------------------- requests

/** Idle request objects kept at the most, of under 1 KiB each. */
export const IDLE_REQUESTS = 1024;
/** Field lines in the table that every request has of its own. */
export const OWN_ROWS = 32;
/** Field lines in a large table, of 1 KiB; the default `maxHeaders` fits. */
export const LARGE_TABLE_ROWS = 128;
/** Idle large tables kept at the most. */
export const IDLE_TABLES = 64;
/** Bytes of the longest head that is kept to be compared with the next one. */
export const LONGEST_KNOWN_HEAD = 2048;

// ---------------------------------------------------------------------- input

/** Less free room in a slab than this is not worth a read. */
export const SMALLEST_READ = 512;
/** A read ahead of a handler, while the window holds bytes that it may ask for. */
export const ASIDE_READ = 2048;
/** Bytes that are read ahead of a handler, to notice the end behind them. */
export const READ_AHEAD = 65_536;
/** A piece of a chunk: with a head at the default limits before it, it fits a slab. */
export const FEED_PIECE = 32_768;
/** A chunk of more bytes than this is not moved to the run before it. */
export const LARGEST_MOVED_CHUNK = 512;
/** Up to this many bytes are moved by a loop; `copyWithin` costs a call. */
export const LARGEST_LOOPED_MOVE = 32;
/** The buffer of reads whose bytes nobody wants. */
export const DISCARDED_READ = 16_384;

// --------------------------------------------------------------------- bodies

/** The first array of a buffered read of unknown length. */
export const FIRST_GATHERED = 4096;
/**
 * The first array of a buffered read of known length is no longer than this: a length
 * is only a promise of bytes, and memory is taken for those that came.
 */
export const MOST_AHEAD = 1_048_576;
/** A body with more left than this is read straight into its array. */
export const SMALLEST_DIRECT_READ = 4096;
/** Longer arrays than this are made by no engine. */
export const LONGEST_ARRAY = 2 ** 35;
/** The most bytes in one chunk of a stream, for a reader that brings no buffer. */
export const LARGEST_STREAMED = 65_536;

// --------------------------------------------------------------------- output

/** Bytes from this many on are written from where they lie. */
export const SMALLEST_DIRECT_WRITE = 32_768;
/** Larger pieces count in the budget of a server. A usual chunk of a stream does not. */
export const LARGEST_UNCOUNTED = 65_536;
/** Bytes of a write to a stream, which takes a copy. */
export const LARGEST_STREAM_WRITE = 65_536;
/** ASCII text of up to this length is written a character at a time, not encoded. */
export const LONGEST_LOOPED_TEXT = 256;
/**
 * With more than this waiting to be written, nothing new is begun. Below the largest
 * slab, so that usual responses do not begin another one just before the write.
 */
export const MOST_PENDING = 49_152;
