/**
 * What the bytes of a run depend on besides what was asked: the kernels, and the arithmetic that they are carried out in.
 * It is part of a plan, so that a result of other kernels is never taken for finished and never gone on with; and where it
 * is the same for two runs, `verify` demands the same bytes of them, and else no more than agreement.
 */
import { digestModel } from "./digest.ts";
import type { Manifest, Numerics, Plan } from "./record.ts";

/** What a backend computes with, of all kernels: WebGPU's factors are WebAssembly's. */
const ENDINGS = { wasm: [".wasm"], webgpu: [".wasm", ".wgsl"] } as const;

/** The numerics of a backend with these kernels (SHA-256 by file name). */
export function makeNumerics(
  backend: NonNullable<Plan["backend"]>,
  arithmetic: string,
  kernels: Readonly<Record<string, string>>,
): Numerics {
  const own = Object.entries(kernels).filter(([name]) => ENDINGS[backend].some((ending) => name.endsWith(ending)));
  return { kernels: digestModel(own.map(([path, sha256]) => ({ path, bytes: 0, sha256 }))), arithmetic };
}

/** What is compared of a run. */
export type Subject = Pick<Manifest, "plan" | "kernels" | "backend">;

/**
 * In what two runs were computed differently, in words; nothing where their bytes must be the same.
 * @param here The one that was computed here and now.
 */
export function numericDifferences(run: Subject, here: Subject): string[] {
  if (run.plan.backend !== here.plan.backend) {
    return [`the run's backend is ${run.plan.backend}, this one is ${here.plan.backend}`];
  }
  const [one, other] = run.plan.numerics && here.plan.numerics
    ? [run.plan.numerics, here.plan.numerics]
    : [run, here].map(olderNumerics);
  return [
    ...one.arithmetic === other.arithmetic
      ? []
      : [`the run computed in ${one.arithmetic}, here ${other.arithmetic} does`],
    ...one.kernels === other.kernels ? [] : ["the run's kernels are not those of this Pare"],
    ...run.plan.pare === here.plan.pare ? [] : [`the run was Pare ${run.plan.pare}'s, this is ${here.plan.pare}`],
  ];
}

/** The numerics as a manifest tells them whose plan does not, but names a backend: the workers do not count. */
function olderNumerics({ plan, kernels, backend }: Subject): Numerics {
  return makeNumerics(plan.backend!, backend.replace(/^\d+ x /, ""), kernels);
}
