/** What a run's bytes depend on besides what was asked is part of its plan, and decides what can be demanded of a repetition. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { makeNumerics, numericDifferences, type Subject } from "../../src/run/numerics.ts";
import { planId } from "../../src/run/plan.ts";
import type { Plan } from "../../src/run/record.ts";
import { manifest } from "./runs.ts";

const KERNELS = { "kernels_relaxed.wasm": "aa".repeat(32), "score.wgsl": "bb".repeat(32) };

/** A run on a backend in some arithmetic. */
function computed(
  { kernels = KERNELS, arithmetic = "relaxed SIMD", workers = 2, older = false, ...changes }:
    & { kernels?: Record<string, string>; arithmetic?: string; workers?: number; older?: boolean }
    & Partial<Pick<Plan, "backend" | "pare">> = {},
): Subject {
  const { numerics: _, ...plan } = { ...manifest().plan, ...changes },
    own = makeNumerics(plan.backend!, arithmetic, kernels);
  const backend = plan.backend === "wasm" ? `${workers} x ${arithmetic}` : arithmetic;
  return { plan: older ? plan : { ...plan, numerics: own }, kernels, backend };
}

Deno.test("plans of other kernels, or of another arithmetic, have other ids", () => {
  const ids = [
    computed(),
    computed({ arithmetic: "SIMD" }),
    computed({ kernels: { ...KERNELS, "kernels_relaxed.wasm": "cc".repeat(32) } }),
    computed({ backend: "webgpu" }),
    computed({ backend: "webgpu", kernels: { ...KERNELS, "score.wgsl": "cc".repeat(32) } }),
    computed({ older: true }),
  ].map(({ plan }) => planId(plan));
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("a shader is nothing to WebAssembly, and neither is the number of workers", () => {
  const other = computed({ kernels: { ...KERNELS, "score.wgsl": "cc".repeat(32) }, workers: 8 });
  assertEquals(planId(other.plan), planId(computed().plan));
  for (const older of [false, true]) assertEquals(numericDifferences(computed({ older }), other), []);
});

Deno.test("in what two runs were computed differently is told, of a run of before as well", () => {
  for (const older of [false, true]) {
    const differences = (changes: Parameters<typeof computed>[0]) =>
      numericDifferences(computed({ older, ...changes }), computed());
    assertEquals(differences({}), []);
    assertEquals(differences({ arithmetic: "SIMD" }), ["the run computed in SIMD, here relaxed SIMD does"]);
    assertEquals(differences({ kernels: {} }), ["the run's kernels are not those of this Pare"]);
    assertEquals(differences({ pare: "0.0.9" }), ["the run was Pare 0.0.9's, this is 0.1.0"]);
    assertEquals(differences({ backend: "webgpu" }), ["the run's backend is webgpu, this one is wasm"]);
  }
  const gpus = ["NVIDIA H200, hardware; SIMD", "llvmpipe, software; SIMD"].map((arithmetic) =>
    computed({ backend: "webgpu", arithmetic })
  );
  assertEquals(numericDifferences(gpus[0], gpus[1]).length, 1);
  assertNotEquals(planId(gpus[0].plan), planId(gpus[1].plan));
});
