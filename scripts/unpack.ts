/** `deno task unpack`: the dense files of a packed model. */
import type { Values } from "../src/cli/flags.ts";
import { unpackCommand } from "../src/cli/pack_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes } from "../src/cli/units.ts";
import { createWriter, openCheckpoint, PareError } from "../src/mod.ts";
import { PermissionSet, type Staged } from "./shared/sandbox.ts";
import { fetching } from "./shared/common.ts";

type Given = Values<typeof unpackCommand.flags> & { readonly replaces?: string; readonly staged?: Staged };

/** Finds the model, and says what the command may touch. */
export async function enter(given: Given, context: Context) {
  const allowed = new PermissionSet(), fetches = fetching(context.terminal);
  const model = await allowed.model(given.model, fetches);
  const asked = { out: given.out, model, force: given.force, made: !given.explainPermissions };
  const { sink, ...where } = await allowed.outputAnywhere(asked, fetches, context);
  return { values: { ...given, model, ...where }, permissions: allowed.permissions, ...sink && { sink } };
}

/** The unpacking itself, in its sandbox: a copy, since whoever reads a packed model is given it dense. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  await using checkpoint = await openCheckpoint(given.model);
  if (!checkpoint.packed?.size) throw new PareError(`${given.model} is not packed: nothing to unpack`);
  await using writer = await createWriter(checkpoint, given.staged?.staging ?? given.out, {
    force: given.force,
    sink: context.sink,
    syncParent: context.syncDirectory,
  });
  if (given.replaces) context.terminal.note(given.replaces);
  context.signal.addEventListener("abort", () => writer.abort());
  await writer.finish();
  const bytes = [...checkpoint.tensors.values()].reduce((sum, tensor) => sum + tensor.bytes, 0);
  return {
    text: `${given.out}: written, ${showBytes(bytes)} of tensors`,
    json: { model: given.model, out: given.out, denseBytes: bytes, tensors: checkpoint.packed.size },
  };
}

/** What `pare unpack` runs. */
export const program = [unpackCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
