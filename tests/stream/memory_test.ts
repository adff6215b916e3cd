/**
 * A model of twenty-four blocks takes no more memory than one of four of the same shape: blocks are read, computed and
 * written one at a time. Each is pruned in a process of its own, which tells its peak.
 */
import { assertEquals, assertLess } from "@std/assert";
import { temporary } from "../checkpoint/folders.ts";
import { ROOT } from "../scripts/commands.ts";
import { randomTokens, writeRandomModel, writeTokens } from "./random_model.ts";

const SHAPE = { hidden: 512, intermediate: 1408, heads: 8, kvHeads: 8, vocabulary: 1000 };
/** Twenty blocks of these weights, were they not let go: nearly as much as the whole process has otherwise. */
const LEAST_LEAK = 20 * 2 * (4 * 512 * 512 + 3 * 512 * 1408);
/** The project's own bound. */
const MOST_GROWTH = 1.1;
/** What is planned, of what is used. */
const MOST_RESERVE = 1.25;

/** Garbage is collected when it is: the least of some peaks is what is needed, and more are taken only while it is missed. */
const RUNS = 3;

/** A peak memory in bytes, and the one that was foretold. */
interface Peak {
  readonly peakBytes: number;
  readonly plan: { readonly peakBytes: number };
}

/** A random model of so many blocks, and what gives the peak memory of a process that prunes it. */
async function subject(blocks: number, folder: string): Promise<() => Promise<Peak>> {
  const [model, tokens, out] = ["model", "tokens.safetensors", "out"].map((name) => `${folder}/${blocks}-${name}`);
  await writeRandomModel(model, { ...SHAPE, blocks });
  await writeTokens(tokens, "calibration", randomTokens(4, 64, SHAPE.vocabulary));
  const flags = ["--backend", "wasm", "--workers", "2", "--calibration", tokens, "--json", "--force"];
  flags.push("--runs", `${folder}/runs.db`);
  // Linux counts into a process's peak what the process that started it held then: a shell holds little, this one much.
  const program = ["bash", Deno.execPath(), "run", "--allow-all", `${ROOT}scripts/prune.ts`];
  const args = ["-c", '"$@"; exit $?', ...program, "--model", model, "--out", out, ...flags];
  return async () => {
    const { stdout } = await new Deno.Command("bash", { args, stderr: "null" }).output();
    const { linears, ...peak } = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(linears.length, 7 * blocks);
    return peak;
  };
}

Deno.test("peak memory does not grow with the number of blocks, and is what was planned for it", async () => {
  using folder = temporary();
  const fewBlocks = await subject(4, folder.path), manyBlocks = await subject(24, folder.path);
  let few = Infinity, many = Infinity, planned = 0;
  for (let run = 0; run < RUNS && !(many / few < MOST_GROWTH && few < 2 * LEAST_LEAK); run++) {
    const { peakBytes, plan } = await fewBlocks();
    if (peakBytes < few) [few, planned] = [peakBytes, plan.peakBytes];
    many = Math.min(many, (await manyBlocks()).peakBytes);
  }
  assertLess(many / few, MOST_GROWTH, `${few} bytes with 4 blocks, ${many} with 24`);
  // What a dry run foretells is enough, and not by far too much.
  assertLess(few, planned, `${few} bytes were used, ${planned} planned`);
  assertLess(planned / few, MOST_RESERVE, `${few} bytes were used, ${planned} planned`);
  // The measure would see a leak: it is not lost in what the process holds anyway.
  assertLess(few, LEAST_LEAK * 2, `${few} bytes with 4 blocks: too much to see a leak of ${LEAST_LEAK}`);
});
