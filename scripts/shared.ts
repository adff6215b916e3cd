/** What several commands say or assume in the same way. */
import type { Context } from "../src/cli/run.ts";
import { DEFAULT_SEQLEN, type HubProgress, type Shape } from "../src/mod.ts";

/** 2048, or the model's limit if that is less; never the 131072 that a config may claim. */
export function defaultSeqlen(shape: Shape): number {
  return Math.min(DEFAULT_SEQLEN, shape.maxLength);
}

/** Whether a file is there. */
export function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** Shows a download as progress. */
export function downloads(terminal: Context["terminal"]): HubProgress {
  return ({ file, received, size }) => terminal.progress({ label: file, done: received, total: size, unit: "bytes" });
}
