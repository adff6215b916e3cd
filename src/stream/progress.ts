/** How far a pass has come, for whoever shows it. */

/** The steps of a pass. */
export type Phase = "observe" | "propagate" | "reconstruct" | "forward";

/** One batch more is done. */
export interface Progress {
  /** What was done. */
  readonly phase: Phase;
  /** The block it was done in, from 0. */
  readonly block: number;
  /** Blocks in all. */
  readonly blocks: number;
  /** Tokens through a block so far, every block and step counted on its own. */
  readonly tokens: number;
  /** Tokens through a block when all is done. */
  readonly totalTokens: number;
}

/** Told of every batch that is done. */
export type OnProgress = (progress: Progress) => void;

/** Counts tokens through blocks. */
export class Meter {
  #tokens = 0;
  readonly #total: number;

  /**
   * @param passes Tokens go through a block this many times in all.
   * @param tokens Tokens of one such time.
   */
  constructor(
    readonly passes: number,
    tokens: number,
    readonly onProgress?: OnProgress,
    readonly blocks: number = passes,
  ) {
    this.#total = passes * tokens;
  }

  /** Counts a batch. */
  step(phase: Phase, block: number, tokens: number): void {
    this.#tokens += tokens;
    this.onProgress?.({ phase, block, blocks: this.blocks, tokens: this.#tokens, totalTokens: this.#total });
  }
}
