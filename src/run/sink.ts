/** Who hears what becomes of a run: the registry, or a file of the run's own. */
import type { LabelChange } from "./labels.ts";
import type {
  CurvePoint,
  DocumentRecord,
  LinearRecord,
  PerplexityRecord,
  RunProgress,
  RunRecord,
  RunStatus,
  TaskRecord,
} from "./record.ts";

/** What is known of a run at its end. */
export type RunEnd =
  & Pick<RunRecord, "phases" | "peakBytes" | "ratios" | "texts">
  & Partial<Pick<RunRecord, "manifest">>;

/** See the file's head. A run is named by the id that it was begun with. */
export interface RunSink extends Disposable {
  /** How far it has come. May be called at any rate. */
  progress(id: string, progress: RunProgress): void;
  /** A linear is done. One that was reported before is replaced. */
  linear(id: string, record: LinearRecord): void;
  /** A point of a training's curve. One that was reported before is replaced. */
  curve(id: string, point: CurvePoint): void;
  /** A perplexity is known. */
  perplexity(id: string, record: PerplexityRecord): void;
  /** What a benchmark came to is known, of a group without documents. */
  task(id: string, record: TaskRecord, documents?: readonly DocumentRecord[]): void;
  /** The run reached its end. */
  finish(id: string, end: RunEnd): void;
  /** It ended before its end. */
  fail(id: string, status: Exclude<RunStatus, "running" | "finished">, error?: string): void;
  /** What a person says of it. */
  label(id: string, change: LabelChange): void;
}
