/**
 * Sizes of pooled memory, and thresholds between strategies for reading and writing.
 *
 * @module
 */

// ---------------------------------------------------------------------- slabs

/** Slab capacities by tier, in bytes. */
export const SLAB_SIZES: readonly [number, number, number] = [
  2048,
  16384,
  65536,
];
export const LAST_TIER = 2;
/** The tier of slabs of custom size, which are never pooled. */
export const OVERSIZE = 3;
/** Maximum idle slabs per tier: 2 MiB, 4 MiB, 4 MiB, and no oversize ones. */
export const IDLE_SLABS: readonly number[] = [1024, 256, 64, 0];
/**
 * Bytes beyond the capacity of a slab. Scanners stop at the NUL after the last byte of
 * the window, but look past it: eight bytes at a time, and for the colon behind a
 * predicted field name, which makes this more than the longest name in `names.ts`.
 */
export const SLAB_PADDING = 48;
/** Memories of each tier that a checked pool holds back, to catch late writes. */
export const QUARANTINED = 16;

/** Heads of requests that a Fetch application may keep are copied into such chunks. */
export const ARENA_CHUNK = 65_536;

// ------------------------------------------------------------------- messages

/** Maximum idle request objects, of less than 1 KiB each. */
export const IDLE_REQUESTS = 1024;
/** Maximum idle response objects, of less than 1 KiB each. */
export const IDLE_RESPONSES = 1024;
/** Rows of the field table built into each message. */
export const OWN_ROWS = 32;
/** Rows of a pooled table: 1 KiB, enough for the default `maxHeaders`. */
export const LARGE_TABLE_ROWS = 128;
/** Maximum idle pooled tables. */
export const IDLE_TABLES = 64;
/** Maximum bytes of a head in the head cache. */
export const LONGEST_CACHED_HEAD = 2048;

// ---------------------------------------------------------------------- input

/** Minimum free space in a slab for posting a read into it. */
export const SMALLEST_READ = 512;
/**
 * Buffer size of a read-ahead while the window holds bytes that the handler may still
 * consume, so that the window itself cannot be lent.
 */
export const ASIDE_READ = 2048;
/** Maximum bytes of read-ahead while a handler runs, to notice the end of the input. */
export const READ_AHEAD = 65_536;
/** Bytes of the body of a Fetch response that arrive before anybody reads it. */
export const BODY_AHEAD = 65_536;
/**
 * Larger chunks are pushed in pieces of this size. A head at the default limits and a
 * piece together fit one slab.
 */
export const FEED_PIECE = 32_768;
/** Larger chunks are not moved to extend the payload run before them. */
export const LARGEST_MOVED_CHUNK = 512;
/** Up to this many bytes, a loop is cheaper than the call to `copyWithin`. */
export const LARGEST_LOOPED_MOVE = 32;
/** Buffer size of reads whose bytes are discarded. */
export const DISCARDED_READ = 16_384;

// --------------------------------------------------------------------- bodies

/** Initial array size of a buffered read of unknown length. */
export const FIRST_ARRAY = 4096;
/**
 * Maximum initial array size of a buffered read of known length. Content-Length is only
 * a claim, so memory grows with the bytes that arrive.
 */
export const LARGEST_FIRST_ARRAY = 1_048_576;
/** A buffered read with at least this much left is filled directly, past the window. */
export const SMALLEST_DIRECT_READ = 4096;
/** No engine allocates a longer array. */
export const LONGEST_ARRAY = 2 ** 35;
/** Maximum chunk size of a body stream for a reader without its own buffer. */
export const LARGEST_STREAMED = 65_536;

// --------------------------------------------------------------------- output

/** Chunks from this size on are written in place, without a copy. */
export const SMALLEST_DIRECT_WRITE = 32_768;
/**
 * Larger buffers count towards `maxBuffered`. Typical chunks of a stream stay below it.
 */
export const LARGEST_UNCOUNTED = 65_536;
/** Maximum bytes of one write to a stream, which gets a copy. */
export const LARGEST_STREAM_WRITE = 65_536;
/** ASCII text up to this length is copied a character at a time instead of encoded. */
export const LONGEST_LOOPED_TEXT = 256;
/** Text of up to this length, 3 bytes a character, is less than a write in place. */
export const LONGEST_SCRATCH_TEXT = 10_000;
/**
 * With more than this many bytes pending, the output waits for a write before it takes
 * another response. Below the largest slab size, so that typical responses do not start
 * another slab just before the write.
 */
export const MOST_PENDING = 49_152;

// ---------------------------------------------------------------------- turns

/**
 * Milliseconds without a turn of the event loop after which reads and writes wait for one.
 * The wait itself takes some 4 ms.
 */
export const LONGEST_STREAK = 25;
/** Bytes that a connection reads or writes before it looks at the clock. */
export const STREAK_STEP = 65_536;
/** A read or a write of fewer bytes counts as this many, since it takes as long. */
export const SMALLEST_STEP = 4096;
