/** What `verify` says of a run and its repetition: identical, or where they part. */
import { join } from "node:path";
import type { Outcome } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { showShare } from "../src/cli/units.ts";
import { locateCheckpoint, openCheckpoint, PareError } from "../src/mod.ts";
import { compareHashes, differingBits, type Hashes } from "../src/run/compare.ts";
import { digest, maskBits } from "../src/run/digest.ts";
import type { PerplexityRecord } from "../src/run/record.ts";
import type { LinearSummary } from "../src/run/registry.ts";
import { isFile } from "./shared.ts";

/** What the results of a run are known from. */
export interface Original {
  /** The pruned model, if it is still there. */
  readonly model?: string;
  /** What the registry says of its linears. */
  readonly hashes?: readonly Hashes[];
  /** What it says of its perplexities. */
  readonly perplexities?: readonly PerplexityRecord[];
}

/** The mask and weight hashes of linears as they stand in a model, and their masks' bits. */
async function readHashes(model: string, names: readonly string[]) {
  await using checkpoint = await openCheckpoint(model);
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
}

/** Compares perplexities by their labels: on the run's own backend every bit of them. */
export function judgePerplexities(
  about: About,
  expected: readonly PerplexityRecord[],
  found: readonly PerplexityRecord[],
): Outcome {
  const perplexities = expected.map(({ label, perplexity }) => ({
    label,
    expected: perplexity,
    found: found.find((each) => each.label === label)?.perplexity,
  }));
  const first = perplexities.find(({ expected, found }) => expected !== found), identical = !first;
  const rows = perplexities.map(({ label, expected, found }) => [label, `${expected}`, `${found ?? "-"}`]);
  const shown = table(["perplexity", "run", "repetition"], rows), json = { ...about, identical, perplexities };
  if (identical) return { text: `${shown}\n\nidentical: every perplexity`, json };
  if (!about.sameBackend) return { text: `${shown}\n\non another backend than the run's`, json };
  const problem = `not identical; first ${first.label}: ${first.found ?? "none"}, the run has ${first.expected}`;
  return { text: shown, json, problems: [problem] };
}

/** Compares every mask and weight with those of the run, by their hashes, and bit by bit where its model is there. */
export async function judgeLinears(
  about: About,
  original: Original,
  repeated: { readonly model: string; readonly linears: readonly LinearSummary[] },
): Promise<Outcome> {
  const names = repeated.linears.map(({ name }) => name);
  const before = original.model && await isFile(join(original.model, "config.json"))
    ? await readHashes(await locateCheckpoint(original.model), names)
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
  const json = { ...about, ...compared, agreement, first };
  const shown = table(["linears", "same masks", "same weights", "mask agreement"], [[
    `${compared.linears}`,
    `${compared.sameMasks}`,
    `${compared.sameWeights}`,
    agreement === undefined ? "-" : showShare(agreement),
  ]]);
  if (compared.identical) return { text: `${shown}\n\nidentical: every mask and every weight`, json };
  if (!about.sameBackend) return { text: `${shown}\n\non another backend than the run's`, json };
  const where = `${first!.name}: its ${first!.what} differs` +
    (first && "maskBits" in first ? `, in ${first.maskBits} bits of the mask` : "");
  return { text: shown, json, problems: [`not identical; first ${where}`] };
}
