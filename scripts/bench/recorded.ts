/**
 * A bench is a run like others, and recorded as they are: what was measured on which machine, and every ratio, so that figures of
 * months are still there to be compared. Nothing repeats it but its command.
 */
import type { benchCommand } from "../../src/cli/bench_command.ts";
import type { Values } from "../../src/cli/flags.ts";
import type { Context } from "../../src/cli/run.ts";
import { openCheckpoint } from "../../src/mod.ts";
import { describeRun } from "../../src/run/describe.ts";
import { labelsOf } from "../../src/run/labels.ts";
import { Recorder } from "../../src/run/recorder.ts";
import { PermissionSet } from "../shared/sandbox.ts";
import type { Machine } from "./machine.ts";
import type { Bench } from "./part.ts";
import type { Ratio } from "./ratio.ts";

/** A bench on its way. */
interface BenchRecord {
  /** The run's id. */
  readonly id: string;
  /** It has measured all. */
  finish(ratios: readonly Ratio[], seconds: number, peakBytes: number): Promise<void>;
  /** It has not. */
  fail(error: unknown, stopped: boolean): Promise<void>;
}

/** Begins the record of a bench. @throws PareError if there is no such model, or the registry cannot be written. */
export async function beginRecord(
  values: Values<typeof benchCommand.flags>,
  { parts, machine, model, data, corpus, quick, peak }:
    & Pick<Bench, "model" | "data" | "corpus" | "quick" | "peak">
    & { readonly parts: readonly string[]; readonly machine: Machine },
  { args }: Context,
): Promise<BenchRecord> {
  const places = new PermissionSet(), registry = await places.registryAnywhere(values.runs, {});
  const { cpu, cores, memoryBytes, system, deno, v8 } = machine;
  // What measures no model has none.
  await using checkpoint = model === undefined ? undefined : await openCheckpoint(model);
  const manifest = await describeRun({
    kind: "bench",
    checkpoint: checkpoint ?? { path: "none", sources: [], fingerprints: () => Promise.resolve([]) },
    backend: `${cpu}, ${cores} cores`,
    files: corpus === undefined ? [] : [corpus],
    request: {
      parts,
      quick,
      data: data !== undefined,
      peak: peak ?? null,
      machine: { cpu, cores, memoryBytes, system, deno, v8 },
    },
  }, args);
  const recorder = Recorder.begin(registry, manifest, { labels: labelsOf(values) });
  const end = async () => {
    recorder[Symbol.dispose]();
    await places.leave?.();
  };
  return {
    id: recorder.id,
    async finish(ratios, seconds, peakBytes) {
      recorder.finish({ bench: seconds }, peakBytes, { ratios });
      await end();
    },
    async fail(error, stopped) {
      recorder.fail(error, stopped);
      await end();
    },
  };
}
