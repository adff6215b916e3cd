/** A plan that is given: read from a file, and held against what is found where it is to be run. */
import { PareError } from "../errors.ts";
import { parseManifest } from "./manifest.ts";
import { canonicalJson, parsePlan } from "./plan.ts";
import type { Benchmark, Corpus, Plan } from "./record.ts";

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
