/** Benchmarks as runs have them: what was asked, what it came to, and that the data are those of the runs before. */
import { resolve } from "node:path";
import { PareError } from "../errors.ts";
import type { Questions } from "../task/questions.ts";
import { type Result, withoutParts } from "../task/results.ts";
import { digest } from "./digest.ts";
import type { Benchmark, DocumentRecord, InputFile, TaskRecord } from "./record.ts";
import { Registry } from "./registry.ts";

/** What is asked of a task. */
export function benchmarkOf({ task, shots, key, total, files }: Questions): Benchmark {
  return {
    name: task.name,
    version: task.version,
    shots,
    documents: key.length,
    total,
    data: files.map(({ sha256 }) => sha256),
    ...task.set && { set: task.set },
  };
}

/** What a model answered. */
export interface Answered {
  /** What the documents of a task gave, in their order. */
  readonly documents: (task: string) => readonly DocumentRecord[];
  /** Of tasks and of groups. */
  readonly results: readonly Result[];
  readonly sparsity: number;
}

/** What a registry takes of the answers to some questions; the documents of a task are there while they are looked at. */
export function* taskRecords(
  questions: readonly Questions[],
  { documents, results, sparsity }: Answered,
  label: string,
): Generator<{ readonly record: TaskRecord; readonly documents?: readonly DocumentRecord[] }> {
  const asked = new Map(questions.map((all) => [all.task.name, benchmarkOf(all)]));
  for (const result of results) {
    const { name, group } = result;
    if (!group) {
      const { data, set } = asked.get(name)!;
      yield { record: { label, ...result, data, ...set && { set }, sparsity }, documents: documents(name) };
      continue;
    }
    const lines = group.tasks.flatMap((task) => asked.get(task)!.data).map((sha256) => `${sha256}\n`);
    yield { record: { label, ...result, data: [digest(new TextEncoder().encode(lines.join("")))], sparsity } };
  }
}

/** What a list of runs shows of a run's benchmarks: of each model all but the parts of groups that count by the document. */
export function listed(tasks: readonly TaskRecord[]): TaskRecord[] {
  return [...Map.groupBy(tasks, ({ label }) => label).values()].flatMap((own) => withoutParts(own));
}

/** Where a file of the Hub's cache stands, whatever commit it is of, as {@linkcode Registry.lastRead} takes it. */
function places(path: string): string {
  return resolve(path).replace(/[*?[]/g, "[$&]").replace(/([/\\]snapshots[/\\])[0-9a-f]{40}(?=[/\\])/, "$1*");
}

/**
 * Refuses data that have changed since an evaluation read them: figures from both would be taken for comparable.
 * @param path The registry; nothing is known without one.
 * @throws PareError naming the file.
 */
export function refuseChangedData(path: string | undefined, data: readonly InputFile[]): void {
  if (path === undefined) return;
  using registry = Registry.open(path, { mode: "write" });
  for (const file of data) {
    const before = registry.lastRead(places(file.path));
    if (before === undefined || before.sha256 === file.sha256) continue;
    throw new PareError(
      `${file.path} has changed: its SHA-256 is ${file.sha256}, and ${before.sha256} was what run ${before.run} read; ` +
        "--force asks it as it is now",
    );
  }
}
