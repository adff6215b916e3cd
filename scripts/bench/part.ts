/** What every part of the bench is given. What it gives is a list of ratios. */
import type { Position } from "../../src/cli/progress.ts";

/** See the file's head. */
export interface Bench {
  /** Fewer shapes, tokens and rounds. */
  readonly quick: boolean;
  /** SmolLM2-135M's directory, where there is one. */
  readonly model?: string;
  /** A folder of the benchmarks' data, where there is one. */
  readonly data?: string;
  /** A text file for what is measured on text. */
  readonly corpus?: string;
  /** The adapter's peak in FLOP/s of F32, where someone knows it. */
  readonly peak?: number;
  /** Told what is under way and what is left out; throws once the bench is to stop. */
  readonly note: (line: string) => void;
  /** Shows how far what takes minutes has come, and the most memory that it has held. */
  readonly progress: (position: Position, peakBytes: number) => void;
}
