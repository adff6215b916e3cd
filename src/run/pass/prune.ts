/** The pass of `prune` with all that hears of it: the writer, the record, the watcher. */
import {
  allocate,
  type Allocation,
  type Backend,
  type Batch,
  type BlockReconstruction,
  blockStatistics,
  type Checkpoint,
  type CheckpointWriter,
  type Method,
  PareError,
  prune,
  type ReconstructOptions,
  release,
  type Request,
  type Requests,
  type ShardOptions,
  type SolverOptions,
  type SpoolOptions,
  type Targets,
  uniform,
} from "../../mod.ts";
import { CARD_FILE, modelCard } from "../card.ts";
import { hubId } from "../describe.ts";
import { digest } from "../digest.ts";
import { MANIFEST_FILE, manifestText, publicManifest } from "../manifest.ts";
import { drawings } from "../measures.ts";
import type { LinearRecord, Manifest } from "../record.ts";
import type { Recorder } from "../recorder.ts";
import { report, type Watcher } from "./watcher.ts";

/** What stands in a journal: a block's records, or what an allocation shares out sparsity by. */
type Entry =
  | {
    readonly linears: readonly LinearRecord[];
    readonly permutations?: Manifest["permutations"];
    readonly reconstruction?: BlockReconstruction;
  }
  | { readonly statistics: readonly number[] };

/** What is pruned, how, and who hears of it. */
export interface PrunePass {
  readonly checkpoint: Checkpoint;
  readonly backend: Backend;
  readonly method: Method;
  /** What is asked of all linears, and of each. */
  readonly request: Request;
  readonly requests: Requests;
  readonly solve: SolverOptions;
  readonly targets: Targets;
  readonly calibration?: Batch;
  /** What shares the sparsity out, unless each linear has its own. */
  readonly allocation: Allocation;
  readonly trueSequential: boolean;
  readonly holdout: boolean;
  readonly permute: boolean;
  readonly reconstruct?: ReconstructOptions;
  readonly spool: SpoolOptions;
  /** How the calibration is cut, and where other machines have a part of it. */
  readonly shards?: ShardOptions;
  readonly manifest: Manifest;
  readonly writer: CheckpointWriter;
  readonly recorder: Recorder;
}

/** What came of it. */
export interface Pruned {
  readonly records: readonly LinearRecord[];
  /** How many of them an earlier run had left. */
  readonly resumed: number;
  /** What the allocation asked to know of every block. */
  readonly statistics?: readonly number[];
  /** Of every block that was reconstructed. */
  readonly reconstructions: readonly BlockReconstruction[];
  /** Seconds of each part. */
  readonly phases: Readonly<Record<string, number>>;
  /** The manifest with what was written. */
  readonly manifest: Manifest;
}

/** Runs the pass to the end: its output stands in its place then. */
export async function runPrune(task: PrunePass, watcher: Watcher): Promise<Pruned> {
  const { terminal, signal } = watcher;
  const { checkpoint, backend, method, request, requests, solve, targets, calibration, allocation } = task;
  const { trueSequential, holdout, permute, reconstruct } = task;
  const { spool, shards, manifest, writer, recorder } = task;
  const entries = writer.steps.map(({ entry }) => entry as Entry);
  const phases: Record<string, number> = {};
  const began = performance.now();
  let since = began;
  const lap = (phase: string) => {
    const now = performance.now();
    phases[phase] = (now - since) / 1000;
    since = now;
  };
  const pass = {
    checkpoint,
    backend,
    spool,
    signal,
    onProgress: report(recorder, watcher),
  };
  const { statistic } = allocation;
  let statistics = entries.flatMap((entry) => "statistics" in entry ? [entry.statistics] : []).at(0);
  if (statistic && !statistics) {
    terminal.note(`measuring the ${statistic} of every block of the dense model`);
    statistics = await blockStatistics({ ...pass, calibration: calibration!, statistic });
    writer.step({ statistics } satisfies Entry);
    lap("blocks");
  }

  const drawn = new Map<string, ReturnType<typeof drawings>>();
  const hashes = new Map<string, Pick<LinearRecord, "maskSha256" | "weightSha256">>();
  const finished = entries.flatMap((entry) => "linears" in entry ? entry.linears : []);
  for (const record of finished) recorder.linear(record);
  const records = [...finished], permutations: Record<string, string> = {};
  for (const entry of entries) if ("linears" in entry) Object.assign(permutations, entry.permutations);
  const reconstructions = entries.flatMap((entry) =>
    "linears" in entry && entry.reconstruction ? [entry.reconstruction] : []
  );
  const found = await prune({
    ...pass,
    method,
    request: allocation === uniform ? requests : allocate(allocation, targets, request, statistics),
    solve,
    targets,
    calibration,
    trueSequential,
    holdout,
    permute,
    onPermutation: (linear, { buffer }) => void (permutations[linear] = new Uint8Array(buffer).toBase64()),
    shards,
    reconstruct,
    onReconstruct: (reconstruction) => {
      reconstructions.push(reconstruction);
      recorder.curve({ kind: "block", ...reconstruction, seconds: (performance.now() - began) / 1000 });
    },
    finished: { blocks: new Set(finished.map(({ block }) => block)), read: (name) => writer.read(name) },
    readBack: (name) => writer.read(name),
    onDistribution: (linear, distribution) => void drawn.set(linear, drawings(distribution)),
    write: async (name, bytes, kept) => {
      const maskSha256 = digest(kept), weightSha256 = await writer.write(name, bytes);
      hashes.set(name, { maskSha256, weightSha256 });
      release(bytes, kept);
    },
    onBlock: (block, linears) => {
      const reported = linears.map((report): LinearRecord => ({
        ...report,
        block,
        ...hashes.get(`${report.name}.weight`)!,
        ...drawn.get(report.name)!,
      }));
      for (const known of [hashes, drawn]) known.clear();
      // The next block may be under way already.
      const permuted = Object.fromEntries(
        linears.flatMap(({ name }) => name in permutations ? [[name, permutations[name]]] : []),
      );
      const reconstruction = reconstructions.find((one) => one.block === block);
      writer.step(
        {
          linears: reported,
          ...permute && { permutations: permuted },
          ...reconstruction && { reconstruction },
        } satisfies Entry,
      );
      for (const record of reported) recorder.linear(record);
      records.push(...reported);
    },
  });
  lap("prune");
  const baseCard = await readCard(checkpoint, terminal);
  let complete = manifest;
  await writer.finish((written) => {
    complete = {
      ...manifest,
      ...permute && { permutations },
      outputs: written.filter(({ path }) => path !== CARD_FILE && path !== MANIFEST_FILE),
    };
    return beside(complete, checkpoint, baseCard, records);
  });
  lap("write");
  const resumed = records.length - found.length;
  return { records, resumed, statistics, reconstructions, phases, manifest: complete };
}

/** The base's own card, where it has one that can be read. */
async function readCard(checkpoint: Checkpoint, terminal: Watcher["terminal"]): Promise<string | undefined> {
  try {
    return await checkpoint.readText(CARD_FILE);
  } catch (error) {
    // A text that cannot be read is no reason to throw hours of work away.
    if (!(error instanceof PareError)) throw error;
    terminal.note(`the base's model card is left out of account: ${error.message}`);
  }
}

/** The files that a pruned model gets beside its own: its manifest, and its card in place of the base's. */
function beside(
  whole: Manifest,
  checkpoint: Checkpoint,
  baseCard: string | undefined,
  linears: readonly LinearRecord[],
): Record<string, string> {
  const manifest = publicManifest(whole, { name: whole.plan.model.name, path: checkpoint.path });
  return {
    [MANIFEST_FILE]: manifestText(manifest),
    [CARD_FILE]: modelCard({ manifest, baseId: hubId(checkpoint.path), baseCard, linears }),
  };
}
