/**
 * What a parser or server made of an input, as plain data.
 *
 * @module
 */

/**
 * A complete message. Bytes are strings of one character each. Of a response, the status
 * takes the place of the method, and the reason that of the target.
 */
export interface Message {
  /** `null` where the target does not know the method. */
  method: string | null;
  target: string;
  body: string;
  /** Whether the connection outlives the message; `null` where the target does not tell. */
  keepAlive: boolean | null;
  /** Whether the target hands the rest of the input to another protocol. */
  switched: boolean;
}

/** Why a target gives no further message. */
export type End = "refused" | "waiting" | "closed" | "switched";

/** The verdict of one target on one input. */
export interface Verdict {
  messages: Message[];
  end: End;
  /** The refusal by the target's own name, or "". */
  code: string;
  /** Where the refusal was found, in bytes from the start; -1 when that is unknown. */
  at: number;
}

/** A parser that is compared with this one. */
export interface Peer {
  name: string;
  /** Its verdict; `null` on an input that it is not given. */
  run(wire: Uint8Array<ArrayBuffer>): Verdict | Promise<Verdict> | null;
}

/** A parser of responses that is compared with this one. */
export interface ResponsePeer {
  name: string;
  /** Its verdict on responses to these methods, and to GET where there are no more. */
  run(
    wire: Uint8Array<ArrayBuffer>,
    methods: readonly string[],
  ): Verdict | null;
}
