/** What answers are worth. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { AnswerKey } from "../../src/task/key.ts";
import { findTask, type Group, GROUPS, TASK_NAMES, TASKS } from "../../src/task/mod.ts";
import { groupResult, type Result, resultOf, scoreDocument } from "../../src/task/results.ts";
import { continued, multipleChoice, type Task } from "../../src/task/task.ts";

const PIQA = findTask("piqa") as Task, LAMBADA = findTask("lambada_openai") as Task;
const answers = (...likelihoods: number[]) => likelihoods.map((logLikelihood) => ({ logLikelihood, greedy: false }));

Deno.test("the first of equal likelihoods wins, by the text and by the character", () => {
  const choices = ["ab", "cd"];
  for (const [label, acc] of [[0, 1], [1, 0]]) {
    assertEquals(scoreDocument(PIQA, multipleChoice("a", choices, label), answers(-4, -4)), { acc, acc_norm: acc });
  }
});

Deno.test("a character is a code point, in whatever script", () => {
  // Two code points, four code units, eight bytes: only by code points is the first the less likely.
  const document = multipleChoice("a", ["𝄞𝄞", "abc"], 1);
  assertEquals(scoreDocument(PIQA, document, answers(-5, -6)), { acc: 0, acc_norm: 1 });
});

Deno.test("a continuation is right if every token of it is the likeliest", () => {
  const document = continued("a", " b");
  assertEquals(scoreDocument(LAMBADA, document, [{ logLikelihood: -2, greedy: true }]), { acc: 1, perplexity: -2 });
  assertEquals(scoreDocument(LAMBADA, document, [{ logLikelihood: -1, greedy: false }]), { acc: 0, perplexity: -1 });
});

const result = (name: string, documents: number, value: number, error: number): Result => ({
  name,
  version: 1,
  shots: 0,
  documents,
  total: documents,
  figures: { acc: { value, error } },
});

Deno.test("groups are pooled as the harness pools them, and a mean of tasks counts each once", () => {
  const results = [result("a", 100, 0.3, 0.046), result("b", 300, 0.5, 0.029)], tasks = [PIQA, LAMBADA];
  const group = (by: Group["by"]): Group => ({ name: "g", tasks, by, version: 1 });
  const pooled = groupResult(group("document"), results).figures.acc!;
  assertAlmostEquals(pooled.value, 0.45, 1e-12);
  // lm_eval.api.metrics.pooled_sample_stderr([0.046, 0.029], [100, 300])
  assertAlmostEquals(pooled.error!, 0.024605697036116772, 1e-12);
  const plain = groupResult(group("task"), results).figures.acc!;
  assertAlmostEquals(plain.value, 0.4, 1e-12);
  assertAlmostEquals(plain.error!, Math.hypot(0.046, 0.029) / 2, 1e-12);
});

Deno.test("chance is one over the number of choices, document by document and pooled as the figure is", () => {
  const key = AnswerKey.of([["b", "c"], ["b", "c", "d", "e"]].map((choices) => multipleChoice("a", choices, 0)));
  const asked = { task: PIQA, shots: 0, key, total: 2 }, scores = [{ acc: 1 }, { acc: 0 }];
  assertEquals(resultOf(asked, scores).chance, (1 / 2 + 1 / 4) / 2);
  const written = { ...asked, task: LAMBADA, key: AnswerKey.of([continued("a", " b")]) };
  assertEquals(resultOf(written, [{ acc: 1, perplexity: -2 }]).chance, undefined);
  const results = [{ ...result("a", 100, 0.3, 0.046), chance: 0.25 }, { ...result("b", 300, 0.5, 0.029), chance: 0.5 }];
  const group = (by: Group["by"]): Group => ({ name: "g", tasks: [PIQA, LAMBADA], by, version: 1 });
  assertEquals(groupResult(group("document"), results).chance, 0.4375);
  assertEquals(groupResult(group("task"), results).chance, 0.375);
  assertEquals(groupResult(group("task"), [results[0], result("b", 300, 0.5, 0.029)]).chance, undefined);
});

Deno.test("every name means one thing; MMLU has 57 subjects in four groups, the paper's mean seven tasks", () => {
  assertEquals(new Set(TASK_NAMES).size, TASK_NAMES.length);
  const size = (name: string) => GROUPS.find((group) => group.name === name)!.tasks.length;
  assertEquals([size("wanda"), size("mmlu"), GROUPS.length, TASKS.length], [7, 57, 6, 66]);
  assertEquals(["stem", "other", "social_sciences", "humanities"].map((name) => size(`mmlu_${name}`)), [
    19,
    13,
    12,
    13,
  ]);
});
