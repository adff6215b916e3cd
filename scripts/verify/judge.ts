/**
 * What `verify` says of a run and its repetition: identical, or where they part. Both are read in a sandbox: the run's model
 * may be anybody's.
 */
import { join } from "node:path";
import type { Outcome } from "../../src/cli/run.ts";
import { table } from "../../src/cli/table.ts";
import { showShare } from "../../src/cli/units.ts";
import { locateCheckpoint, openCheckpoint, type OpenOptions, PareError } from "../../src/mod.ts";
import { compareHashes, differingBits, type Hashes } from "../../src/run/compare.ts";
import { maskBits } from "../../src/checkpoint/mask.ts";
import { digest } from "../../src/run/digest.ts";
import { describeChange } from "../../src/run/manifest.ts";
import type { InputFile } from "../../src/run/record.ts";
import type { LinearSummary } from "../../src/run/registry.ts";
import { isFile } from "../shared/common.ts";
import { checkWritten } from "../shared/written.ts";
import { checkElsewhere } from "./elsewhere.ts";

/** What the results of a run are known from. */
export interface Original {
  /** The pruned model, if it is still there. */
  readonly model?: string;
  /** What the registry says of its linears. */
  readonly hashes?: readonly Hashes[];
}

/** The mask and weight hashes of linears as they stand in a model, and their masks' bits. */
async function readHashes(model: string, names: readonly string[], options?: OpenOptions) {
  await using checkpoint = await openCheckpoint(model, options);
  const hashes: Hashes[] = [], masks = new Map<string, Uint8Array>();
  for (const name of names) {
    const tensor = `${name}.weight`, bytes = (await checkpoint.read([tensor])).get(tensor)!;
    const mask = maskBits(bytes, checkpoint.tensors.get(tensor)!.dtype);
    masks.set(name, mask);
    hashes.push({ name, maskSha256: digest(mask), weightSha256: digest(bytes) });
  }
  return { hashes, masks };
}

/** What every outcome says. */
export interface About {
  readonly run: string;
  readonly sameBackend: boolean;
  /** In what the repetition was computed differently: where there is nothing, every bit must be the same. */
  readonly differences: readonly string[];
}

/** What is said of two results that differ and may. */
export const mayDiffer = ({ differences }: About): string =>
  `not identical, and need not be: ${differences.join("; ")}`;

/** The repetition of a run that prunes. */
interface Repetition {
  readonly model: string;
  readonly linears: readonly LinearSummary[];
  readonly outputs: readonly InputFile[];
}

/**
 * Compares every mask and weight with those of the run, by their hashes, and bit by bit where its model is there; of that
 * the tensors that were not pruned, too.
 */
async function judgeLinears(
  about: About,
  original: Original,
  repeated: Repetition,
  remote: OpenOptions | undefined,
): Promise<Outcome> {
  const names = repeated.linears.map(({ name }) => name);
  const here = original.model && await isFile(join(original.model, "config.json")) ? original.model : undefined;
  const model = remote ? original.model : here;
  const before = remote
    ? await readHashes(model!, names, remote)
    : here !== undefined
    ? await readHashes(await locateCheckpoint(here), names)
    : undefined;
  const expected = original.hashes ?? before?.hashes;
  if (!expected) {
    throw new PareError(`${about.run}: neither its registry nor its model is here: nothing to compare with`);
  }
  const compared = compareHashes(expected, repeated.linears), after = await readHashes(repeated.model, names);
  const bits = (name: string) => before && differingBits(before.masks.get(name)!, after.masks.get(name)!);
  const weights = repeated.linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const different = before && names.reduce((sum, name) => sum + bits(name)!, 0);
  const agreement = compared.sameMasks === compared.linears
    ? 1
    : different === undefined
    ? undefined
    : 1 - different / weights;
  const first = compared.first && {
    ...compared.first,
    ...before && names.includes(compared.first.name) && { maskBits: bits(compared.first.name) },
  };
  const shards = repeated.outputs.filter(({ path }) => path.endsWith(".safetensors"));
  const files = remote
    ? await checkElsewhere(remote.remote!, shards)
    : here === undefined
    ? []
    : await checkWritten(here, shards);
  const identical = compared.identical && !files.length;
  const json = { ...about, ...compared, identical, agreement, first, files };
  const shown = table(["linears", "same masks", "same weights", "mask agreement"], [[
    `${compared.linears}`,
    `${compared.sameMasks}`,
    `${compared.sameWeights}`,
    agreement === undefined ? "-" : showShare(agreement),
  ]]);
  if (identical) return { text: `${shown}\n\nidentical: every mask and every weight`, json };
  if (about.differences.length) return { text: `${shown}\n\n${mayDiffer(about)}`, json };
  const where = first
    ? `${first.name}: its ${first.what} differs${
      "maskBits" in first && first.maskBits !== undefined ? `, in ${first.maskBits} bits of the mask` : ""
    }`
    : `${describeChange(files[0], "wrote")}, though its linears are the same`;
  return { text: shown, json, problems: [`not identical; first ${where}`] };
}

/** Compares the linears of a model with what the registry says of them; nothing is computed. */
async function judgeStored(run: string, model: string, hashes: readonly Hashes[]): Promise<Outcome> {
  const found = await readHashes(model, hashes.map(({ name }) => name)), compared = compareHashes(hashes, found.hashes);
  const json = { run, fast: true, ...compared };
  if (compared.identical) return { text: `identical: ${compared.linears} linears are those that the run wrote`, json };
  const { name, what } = compared.first!;
  return { text: "", json, problems: [`not what the run wrote; first ${name}: its ${what} differs`] };
}

/** What is to be judged. */
export type Case =
  | {
    readonly about: About;
    readonly original: Original;
    readonly repeated: Repetition;
    /** What opens the run's model, if that lies elsewhere. */
    readonly remote?: OpenOptions;
  }
  | { readonly run: string; readonly model: string; readonly hashes: readonly Hashes[] };

/** The judgement, in its sandbox. */
export function main(asked: Case): Promise<Outcome> {
  return "about" in asked
    ? judgeLinears(asked.about, asked.original, asked.repeated, asked.remote)
    : judgeStored(asked.run, asked.model, asked.hashes);
}
