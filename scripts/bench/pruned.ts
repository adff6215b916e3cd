/** Pruned copies of a model for the parts of the bench that measure what pruning gains, each made once. */
import { insteadOf } from "../../src/errors.ts";

const PRUNE = new URL("../prune.ts", import.meta.url).pathname;
/** The model that comes with Pare, and a text that it never saw. */
export const AUSTEN = new URL("../../tests/fixtures/models/Austen-700K", import.meta.url).pathname;
export const AUSTEN_TEXT = new URL("../../tests/fixtures/data/austen-heldout.txt", import.meta.url).pathname;

/** How much the copies see: of the text that comes with Pare. */
const CALIBRATION = ["--calibration=sample", "--samples=16", "--seqlen=512"];

/**
 * A copy pruned by Wanda.
 * @param asked The flags of `prune` that say how much.
 * @param out Where it is, or will be.
 */
export async function prunedCopy(model: string, asked: readonly string[], out: string): Promise<string> {
  if (await Deno.stat(out).then(() => true, insteadOf([Deno.errors.NotFound], false))) return out;
  const args = ["run", "--allow-all", PRUNE, "--json", "--backend=wasm", "--method=wanda", "--runs=none"];
  args.push(`--model=${model}`, `--out=${out}`, ...CALIBRATION, ...asked);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return out;
}
