/** A plan as flags: what `prune --plan` does is what a person would have typed. */
import type { Values } from "../../src/cli/flags.ts";
import type { pruneCommand } from "../../src/cli/prune_command.ts";
import { PareError } from "../../src/mod.ts";
import { parseManifest } from "../../src/run/manifest.ts";
import { canonicalJson, parsePlan } from "../../src/run/plan.ts";
import type { Benchmark, Corpus, Plan } from "../../src/run/record.ts";

type Flags = Values<typeof pruneCommand.flags>;

/** Reads a plan, or the plan of a manifest. @throws PareError if it is neither, or of another command. */
export async function readPlan(path: string): Promise<Plan> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new PareError(`--plan ${path}: cannot be read: ${(error as Error).message}`);
  }
  const plan = /"planId"/.test(text) ? parseManifest(text, path).plan : parsePlan(text, path);
  if (plan.kind !== "prune") throw new PareError(`--plan ${path}: a plan of ${plan.kind}; prune runs those of prune`);
  return plan;
}

/** The flags of a plan; where things stand and how they are shown stays as it was given. */
export function planFlags(given: Flags, { request, backend, calibration }: Plan): Flags {
  // deno-lint-ignore no-explicit-any -- what prune itself has written; a lie in it shows as another id
  const asked = request as any, { group, targets } = asked;
  return {
    ...given,
    backend,
    method: asked.method,
    update: asked.update,
    sparsity: asked.pattern === undefined ? asked.sparsity : undefined,
    pattern: asked.pattern,
    group: typeof group === "object" ? `block:${group.block}` : group,
    variant: asked.variant ?? false,
    damping: asked.damping,
    blockSize: asked.blockSize,
    steps: asked.steps,
    holdout: asked.holdout ?? false,
    permute: asked.permute ?? false,
    shards: asked.shards,
    trueSequential: asked.trueSequential ?? false,
    reconstruct: asked.reconstruct?.epochs,
    reconstructRate: asked.reconstruct?.rate,
    allocation: asked.allocation,
    // It stands in the plan itself.
    sparsityMap: undefined,
    seed: asked.seed,
    startToken: asked.startToken,
    blocks: targets?.blocks ?? undefined,
    include: targets?.include ?? [],
    exclude: targets?.exclude ?? [],
    samples: calibration?.sequences,
    seqlen: calibration?.seqlen,
  };
}

const describeBenchmark = ({ version, shots, documents, total, data }: Benchmark): string =>
  `version ${version}, ${shots} examples, ${documents} of ${total} documents, SHA-256 ${data.join(" and ")}`;

/**
 * Refuses to do something else than what was planned.
 * @param where What names the plan.
 * @throws PareError saying which part of the plan is not what was found.
 */
export function refuseOtherPlan(expected: Plan, found: Plan, where: string): void {
  const protocol = (corpus: Corpus | undefined) => corpus && `${corpus.sequences} x ${corpus.seqlen} tokens`;
  const benchmarks = (tasks: Plan["tasks"]) => new Map(tasks?.map((task) => [task.name, describeBenchmark(task)]));
  const [wantedTasks, foundTasks] = [benchmarks(expected.tasks), benchmarks(found.tasks)];
  const names = new Set([...wantedTasks.keys(), ...foundTasks.keys()]);
  const parts: readonly (readonly [string, unknown, unknown])[] = [
    ["the model's SHA-256", expected.model.sha256, found.model.sha256],
    ["the calibration's SHA-256", expected.calibration?.sha256, found.calibration?.sha256],
    ["the calibration", protocol(expected.calibration), protocol(found.calibration)],
    ["the evaluation's SHA-256", expected.evaluation?.sha256, found.evaluation?.sha256],
    ["the evaluation", protocol(expected.evaluation), protocol(found.evaluation)],
    // Plans of a Pare that did not tell it name none.
    [
      "the evaluation's protocol",
      expected.evaluation?.protocol,
      expected.evaluation?.protocol && found.evaluation?.protocol,
    ],
    ...[...names].map((name) => [`the benchmark ${name}`, wantedTasks.get(name), foundTasks.get(name)] as const),
    ["Pare", expected.pare, found.pare],
    ["the request", canonicalJson(expected.request), canonicalJson(found.request)],
  ];
  for (const [what, wanted, got] of parts) {
    if (wanted !== got) {
      throw new PareError(`${where}: ${what} is ${got ?? "missing"}, the plan has ${wanted ?? "none"}`);
    }
  }
}
