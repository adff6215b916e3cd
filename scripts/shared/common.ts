/** What several commands say or assume in the same way. */
import type { Context } from "../../src/cli/run.ts";
import { DEFAULT_SEQLEN, type FetchOptions, type HubProgress, type ModelSpec, PareError } from "../../src/mod.ts";
import { insteadOf, UNSEEN } from "../../src/errors.ts";

/** 2048, or the model's limit if that is less; never the 131072 that a config may claim. */
export function defaultSeqlen(spec: ModelSpec): number {
  return Math.min(DEFAULT_SEQLEN, spec.maxLength);
}

/**
 * The corpus that a perplexity is asked of: WikiText-2, unless another is named, or benchmarks are asked instead.
 * @throws PareError if two are named, or there is none to take windows of.
 */
export function corpusAsked(
  { tokens, corpus, tasks, windows }: {
    readonly tokens?: string;
    readonly corpus?: string;
    readonly tasks?: string;
    readonly windows?: number;
  },
): string | undefined {
  if (corpus && tokens) throw new PareError("--corpus and --tokens exclude each other");
  const named = tokens ?? corpus ?? (tasks === undefined ? "wikitext2" : undefined);
  if (named === undefined && windows !== undefined) {
    throw new PareError("--windows is for a perplexity: name a --corpus");
  }
  return named;
}

/** Whether there is anything at a path. */
export function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, insteadOf(UNSEEN, false));
}

/** Whether a file is there. */
export function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then(({ isFile }) => isFile, insteadOf(UNSEEN, false));
}

/** What a person cannot tell from a hang, in milliseconds. */
const LONG_WAIT_MS = 2000;

/** Shows downloads as progress, and says so when a server is waited for: it may be busy, or not there. */
export function fetching(terminal: Context["terminal"]): FetchOptions {
  return {
    onProgress: downloads(terminal),
    wait: (milliseconds) => {
      if (milliseconds > LONG_WAIT_MS) {
        terminal.note(`the server does not answer yet: on in ${Math.ceil(milliseconds / 1000)} s`);
      }
      return new Promise((resolve) => setTimeout(resolve, milliseconds));
    },
  };
}

/** Shows a download as progress. */
export function downloads(terminal: Context["terminal"]): HubProgress {
  return ({ file, received, size }) => terminal.progress({ label: file, done: received, total: size, unit: "bytes" });
}
