/** Results as lm-evaluation-harness writes them, so that what reads its files reads these. */
import type { Result } from "./results.ts";

/** What the harness writes where a standard error is not known. */
const UNKNOWN = "N/A";

/** A result by the harness's keys: `acc,none`, `acc_stderr,none` and so on. */
function byKeys({ name, documents, figures }: Result): Record<string, number | string> {
  const numbers = Object.entries(figures).flatMap(([metric, { value, error }]): [string, number | string][] => [
    [`${metric},none`, value],
    [`${metric}_stderr,none`, error ?? UNKNOWN],
  ]);
  return { alias: name, sample_len: documents, ...Object.fromEntries(numbers) };
}

/**
 * Results as an object of the harness's.
 * @param all Of tasks and of groups.
 */
export function toLmEval(all: readonly Result[]): Record<string, unknown> {
  const groups = all.filter(({ group }) => group), tasks = all.filter(({ group }) => !group);
  const each = <T>(of: readonly Result[], value: (result: Result) => T) =>
    Object.fromEntries(of.map((result) => [result.name, value(result)]));
  return {
    results: each(all, byKeys),
    ...groups.length > 0 && { groups: each(groups, byKeys) },
    group_subtasks: each(groups, ({ group }) => group!.tasks),
    versions: each(all, ({ version }) => version),
    "n-shot": each(tasks, ({ shots }) => shots),
    higher_is_better: each(
      all,
      ({ figures }) => Object.fromEntries(Object.keys(figures).map((metric) => [metric, metric !== "perplexity"])),
    ),
    "n-samples": each(tasks, ({ total, documents }) => ({ original: total, effective: documents })),
  };
}
