/**
 * What came of runs, looked up: the linears of one, the documents of a benchmark, what a model is known to have measured, and
 * which data evaluations have read. Nothing here writes.
 */
import { protocolOf } from "./compare.ts";
import { type PackedDocuments, type ScoreColumns, unpackDocuments, unpackScores } from "./documents.ts";
import { type LinearSummary, RunReader } from "./reader.ts";
import type {
  Corpus,
  CurvePoint,
  DocumentRecord,
  InputFile,
  LinearRecord,
  PerplexityRecord,
  TaskRecord,
} from "./record.ts";
import { benchmarkColumn } from "./schema.ts";
import { parseStored } from "./statements.ts";

/** The runs of an open file, and what came of them. */
export class ResultReader extends RunReader {
  /** A run's linears without histograms and maps, in the order in which they were done. */
  layers(id: string): LinearSummary[] {
    return this.file.all(
      (row: { summary: string }): LinearSummary => parseStored(row.summary),
      "SELECT summary FROM linears WHERE run = (SELECT seq FROM runs WHERE id = ?) ORDER BY seq",
      id,
    );
  }

  /** All of one linear; undefined if the run has none of this name. */
  layer(id: string, name: string): LinearRecord | undefined {
    return this.file.get(
      (row: { summary: string; plots: string }): LinearRecord => ({
        ...parseStored(row.summary),
        ...parseStored(row.plots),
      }),
      "SELECT summary, plots FROM linears WHERE run = (SELECT seq FROM runs WHERE id = ?) AND name = ?",
      ...[id, name],
    );
  }

  /** How a training went: its steps, its evaluations and the blocks that were reconstructed, each kind in its order. */
  curvePoints(id: string): CurvePoint[] {
    return this.file.all(
      (row: { point: string }): CurvePoint => parseStored(row.point),
      "SELECT point FROM curves WHERE run = (SELECT seq FROM runs WHERE id = ?) ORDER BY kind DESC, place",
      id,
    );
  }

  /** The newest perplexity of a model by some protocol; undefined if no evaluation of both has come to its end. */
  measured(modelSha256: string, evaluation: Corpus): PerplexityRecord | undefined {
    return this.file.get(
      ({ record }: { record: string }): PerplexityRecord => parseStored(record),
      `SELECT record FROM perplexities JOIN runs ON runs.seq = perplexities.run
        WHERE status = 'finished' AND manifest ->> '$.plan.kind' = 'eval'
          AND manifest ->> '$.plan.model.sha256' = ? AND protocol = ?
        ORDER BY perplexities.seq DESC LIMIT 1`,
      ...[modelSha256, protocolOf(evaluation)],
    );
  }

  /** What every document gave of a benchmark that a run was asked; undefined if the run has no such record, or of a group. */
  documents(id: string, record: TaskRecord): DocumentRecord[] | undefined {
    return this.#packed(id, record, "documents, scores", unpackDocuments);
  }

  /** What every document was worth, metric by metric, without its answers; undefined where there are no documents. */
  scores(id: string, record: TaskRecord): ScoreColumns | undefined {
    return this.#packed(id, record, "CASE WHEN scores IS NULL THEN documents END AS documents, scores", unpackScores);
  }

  #packed<T>(id: string, record: TaskRecord, columns: string, unpack: (row: PackedDocuments) => T): T | undefined {
    return this.file.get(
      unpack,
      `SELECT ${columns} FROM tasks WHERE run = (SELECT seq FROM runs WHERE id = :id) AND label = :label
        AND name = :name AND benchmark = ${benchmarkColumn(":record")} AND documents IS NOT NULL`,
      { id, label: record.label, name: record.name, record: JSON.stringify(record) },
    );
  }

  /**
   * What the newest evaluation or comparison that came to its end has read at a place, and its id; undefined if none has read there.
   * @param places A path; `*` stands for anything in it, `[*]` for itself (SQLite's GLOB).
   */
  lastRead(places: string): (Pick<InputFile, "sha256"> & { readonly run: string }) | undefined {
    return this.file.get(
      (row: { run: string; sha256: string }) => row,
      `SELECT runs.id AS run, input.value ->> '$.sha256' AS sha256 FROM runs, json_each(manifest, '$.inputs') AS input
        WHERE status = 'finished' AND manifest ->> '$.plan.kind' <> 'prune' AND input.value ->> '$.path' GLOB ?
        ORDER BY runs.seq DESC LIMIT 1`,
      places,
    );
  }

  /** What a model came to in the same benchmark, the newest; undefined if no evaluation with it has come to its end. */
  asked(modelSha256: string, record: TaskRecord): TaskRecord | undefined {
    return this.file.get(
      ({ record }: { record: string }): TaskRecord => parseStored(record),
      `SELECT record FROM tasks JOIN runs ON runs.seq = tasks.run
        WHERE status = 'finished' AND manifest ->> '$.plan.kind' = 'eval'
          AND manifest ->> '$.plan.model.sha256' = :model
          AND tasks.name = :name AND benchmark = ${benchmarkColumn(":record")}
        ORDER BY tasks.seq DESC LIMIT 1`,
      { model: modelSha256, name: record.name, record: JSON.stringify(record) },
    );
  }
}
