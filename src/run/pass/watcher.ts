/** Who hears of a pass while it runs: its record, and whoever waits for it. */
import type { OnProgress, Progress } from "../../mod.ts";
import type { Recorder } from "../recorder.ts";

/** How far a pass has come, in words and in tokens. */
export interface Position {
  /** What is being done, such as `block 3 of 30`. */
  readonly label: string;
  /** The label where there is no room, such as `3/30`. */
  readonly short: string;
  /** What of it, such as `observe`. */
  readonly detail?: string;
  readonly done: number;
  readonly total: number;
  readonly unit: "tokens";
}

/** Whoever waits for a pass and may end it: what a pass needs of a command's context. */
export interface Watcher {
  /** Where lines and positions are shown. */
  readonly terminal: { note(line: string): void; progress(position: Position): void };
  readonly signal: AbortSignal;
}

/** Where a pass stands; `of` says which pass, where there are several. */
export function blockPosition({ phase, block, blocks, tokens, totalTokens }: Progress, of = ""): Position {
  return {
    label: `${of && `${of}: `}block ${block + 1} of ${blocks}`,
    short: `${block + 1}/${blocks}`,
    detail: phase,
    done: tokens,
    total: totalTokens,
    unit: "tokens",
  };
}

/** Tells the record of a pass and its watcher how far it has come; `of` as in {@linkcode blockPosition}. */
export function report(recorder: Recorder, { terminal }: Watcher, of = ""): OnProgress {
  return (progress) => {
    const { phase, block, blocks, tokens, totalTokens } = progress;
    recorder.progress({ phase: `${of && `${of}, `}${phase}`, block, blocks, done: tokens, total: totalTokens });
    terminal.progress(blockPosition(progress, of));
  };
}
