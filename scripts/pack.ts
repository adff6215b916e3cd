/** `deno task pack`: a model in Pare's packed file; which zeros it has is found, linear by linear. */
import { packCommand } from "../src/cli/pack_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { showBytes, showShare } from "../src/cli/units.ts";
import {
  createWriter,
  linearsOf,
  openCheckpoint,
  packedBytesOf,
  type PackedValues,
  PareError,
  patternName,
  planPacking,
  readSpec,
  transposedTensors,
} from "../src/mod.ts";
import { PermissionSet, type Staged } from "./shared/sandbox.ts";
import { fetching } from "./shared/common.ts";
import { parseValues } from "./shared/values.ts";

type Given = Values<typeof packCommand.flags> & { readonly replaces?: string; readonly staged?: Staged };

/** Finds the model, and says what the command may touch. */
export async function enter(given: Given, context: Context) {
  if (given.values !== undefined) parseValues(given.values, "--values");
  const allowed = new PermissionSet(), fetches = fetching(context.terminal);
  const model = await allowed.model(given.model, fetches);
  const asked = { out: given.out, model, force: given.force, made: !given.explainPermissions };
  const { sink, ...where } = await allowed.outputAnywhere(asked, fetches, context);
  return { values: { ...given, model, ...where }, permissions: allowed.permissions, ...sink && { sink } };
}

/** The packing itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context,
    asked = given.values === undefined ? undefined : parseValues(given.values, "--values");
  await using checkpoint = await openCheckpoint(given.model);
  if (checkpoint.packed?.size) throw new PareError(`${given.model} is packed already: unpack gives it dense`);
  const spec = readSpec(checkpoint), linears = spec.blocks.flatMap(linearsOf).map(({ name }) => `${name}.weight`);
  const values: PackedValues = asked && "group" in asked ? asked : "kept";
  for (const name of linears) {
    const { dtype } = checkpoint.tensors.get(name)!;
    if (asked && !("group" in asked) && asked.valueType !== dtype) {
      throw new PareError(
        `--values ${given.values}: ${given.model} holds ${dtype}, and is packed as it is or as integers`,
      );
    }
  }
  // The head is the largest of a small model's matrices; its zeros nobody makes.
  const chosen = new Set(values === "kept" ? linears : [...linears, spec.head.tensor]);
  const plan = await planPacking(checkpoint, {
    choose: (name) => chosen.has(name) ? values : undefined,
    transposed: transposedTensors(spec),
    signal,
    onProgress: (label, done, total) => terminal.progress({ label, done, total, unit: "bytes" }),
  });
  await using writer = await createWriter(plan.checkpoint, given.staged?.staging ?? given.out, {
    force: given.force,
    sink: context.sink,
    syncParent: context.syncDirectory,
  });
  if (given.replaces) terminal.note(given.replaces);
  signal.addEventListener("abort", () => writer.abort());
  await plan.write(writer);
  await writer.finish();
  const kinds = Map.groupBy([...chosen], (name) => {
    const { valueType, pattern } = plan.packed.get(name) ??
      { valueType: checkpoint.tensors.get(name)!.dtype, pattern: "dense" };
    return `${valueType} ${patternName(pattern as "dense")}`;
  });
  const bytesOf = (names: Iterable<string>, size: (name: string) => number) =>
    [...names].reduce((sum, name) => sum + size(name), 0);
  const dense = (name: string) => checkpoint.tensors.get(name)!.bytes;
  const packed = (name: string) => plan.packed.has(name) ? packedBytesOf(plan.packed.get(name)!) : dense(name);
  const row = (kind: string, names: readonly string[]) => {
    const [before, after] = [bytesOf(names, dense), bytesOf(names, packed)];
    return [kind, `${names.length}`, showBytes(before), showBytes(after), showShare(before ? after / before : 1)];
  };
  const all = [...checkpoint.tensors.keys()], [before, after] = [bytesOf(all, dense), bytesOf(all, packed)];
  return {
    text: [
      table(["weights", "tensors", "dense", "packed", "of it"], [
        ...[...kinds].sort().map(([kind, names]) => row(kind, names)),
        row("all tensors", all),
      ]),
      `${given.out}: written`,
    ].join("\n\n"),
    json: {
      model: given.model,
      out: given.out,
      denseBytes: before,
      packedBytes: after,
      linears: [...chosen].map((name) => {
        const { valueType, pattern, group } = plan.packed.get(name) ??
          { valueType: checkpoint.tensors.get(name)!.dtype, pattern: "dense" as const, group: undefined };
        return {
          name,
          values: valueType,
          pattern: patternName(pattern),
          group,
          denseBytes: dense(name),
          packedBytes: packed(name),
        };
      }),
    },
  };
}

/** What `pare pack` runs. */
export const program = [packCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
