/** What `finetune` is to do by its mode, opened, and what came of it, whichever way it went. */
import type { Context } from "../../src/cli/run.ts";
import type { CheckpointWriter, EvaluationRecord } from "../../src/mod.ts";
import type { Manifest } from "../../src/run/record.ts";
import type { Recorder } from "../../src/run/recorder.ts";

/** Who takes what comes of a training, and hears of it. */
export interface Surroundings {
  readonly writer: CheckpointWriter;
  readonly recorder: Recorder;
  readonly manifest: Manifest;
  readonly context: Context;
}

/** What a training came to. */
export interface Trained {
  /** Of the training, evaluations among them, over all runs that were gone on with. */
  readonly seconds: number;
  /** The first, before anything was trained, and the one whose state was written. */
  readonly before: EvaluationRecord;
  readonly best: EvaluationRecord;
  /** Weights of the linears that are zero in what was written. */
  readonly zeros: number;
  /** The manifest with what was written. */
  readonly manifest: Manifest;
  /** What is told of it, to people and to programs. */
  readonly lines: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
  /** What went wrong, where that is no reason to throw away what is there. */
  readonly problems?: readonly string[];
}

/** A training that is about to begin. */
export interface Work extends Disposable {
  /** What it is going to do. */
  readonly lines: readonly string[];
  /** Trains, and writes what came of it: the output stands in its place then. */
  run(surroundings: Surroundings): Promise<Trained>;
}
