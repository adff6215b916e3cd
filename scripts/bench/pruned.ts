/** Pruned copies of a model, packed ones too, for the parts of the bench that measure what pruning gains. */
import { insteadOf } from "../../src/errors.ts";

const program = (name: string) => new URL(`../${name}.ts`, import.meta.url).pathname;
/** The model that comes with Pare, and a text that it never saw. */
export const AUSTEN = new URL("../../tests/fixtures/models/Austen-700K", import.meta.url).pathname;
export const AUSTEN_TEXT = new URL("../../tests/fixtures/data/austen-heldout.txt", import.meta.url).pathname;

/** How much the copies see: of the text that comes with Pare. */
const CALIBRATION = ["--calibration=sample", "--samples=16", "--seqlen=512"];

const isThere = (path: string) => Deno.stat(path).then(() => true, insteadOf([Deno.errors.NotFound], false));

/** Runs a command, and gives what it printed as JSON. @throws Error with what it said. */
export async function command(name: string, ...args: string[]): Promise<Record<string, unknown>> {
  const all = ["run", "--allow-all", program(name), "--json", ...args];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: all }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/**
 * A copy pruned by Wanda, made once.
 * @param asked The flags of `prune` that say how much.
 * @param out Where it is, or will be.
 */
export async function prunedCopy(model: string, asked: readonly string[], out: string): Promise<string> {
  if (await isThere(out)) return out;
  const flags = ["--backend=wasm", "--method=wanda", "--runs=none", `--model=${model}`, `--out=${out}`];
  await command("prune", ...flags, ...CALIBRATION, ...asked);
  return out;
}

/** A copy in which a model's zeros are not stored, its other numbers as `pack --values` has them. */
export async function packedCopy(model: string, values: string, out: string): Promise<string> {
  await command("pack", `--model=${model}`, `--values=${values}`, `--out=${out}`);
  return out;
}

/** The perplexity of a model on the beginning of a text. */
export async function perplexityOf(model: string, corpus: string, windows: number, seqlen: number): Promise<number> {
  const flags = ["--backend=wasm", "--runs=none", `--model=${model}`, `--corpus=${corpus}`];
  const { perplexity } = await command("eval", ...flags, `--windows=${windows}`, `--seqlen=${seqlen}`);
  return perplexity as number;
}
