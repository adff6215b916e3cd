/** What `verify` says of a training: whether its repetition wrote the same files, by their hashes. */
import type { Outcome } from "../../src/cli/run.ts";
import type { InputFile } from "../../src/run/record.ts";
import { type About, mayDiffer } from "./judge.ts";

/** Compares the files of a run with those of its repetition. */
export function judgeOutputs(
  about: About,
  expected: readonly InputFile[],
  found: readonly InputFile[],
): Outcome {
  const hashes = new Map(found.map(({ path, sha256 }) => [path, sha256]));
  const different = expected.filter(({ path, sha256 }) => hashes.get(path) !== sha256).map(({ path }) => path);
  const identical = different.length === 0, json = { ...about, identical, files: expected.length, different };
  if (identical) return { text: `identical: ${expected.length} files`, json };
  if (about.differences.length) return { text: mayDiffer(about), json };
  return { text: "", json, problems: different.map((path) => `${path} is not what the run wrote`) };
}
