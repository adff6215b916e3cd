/** Continuations of Austen's sentences, asked of the model that comes with Pare as lm-evaluation-harness asks it. */
import { assertEquals } from "@std/assert";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { ownTask } from "../../src/task/own.ts";
import { ask } from "../../src/task/questions.ts";
import { readRows } from "../../src/task/rows.ts";
import { MODELS } from "../stream/checkpoints.ts";
import { assertSameAnswers, assertSameRequests, readHarness } from "./harness.ts";

const DATA = new URL("../fixtures/data/austen-choices.jsonl", import.meta.url).pathname;

for (const [shots, acc, accNorm] of [[0, 0.5125, 0.5625], [2, 0.475, 0.55]]) {
  Deno.test(`austen-choices with ${shots} examples: the harness's requests, likelihoods and figures`, async () => {
    const golden = readHarness(new URL(`../golden/zero-shot/austen-choices-${shots}shot.json`, import.meta.url));
    const set = await readRows(DATA), { value: first } = await set.read().next(), task = ownTask(DATA, first);
    const questions = await ask(task, { shots, rows: () => Promise.resolve(set) });
    const { austen_choices: expected } = golden.tasks;
    assertEquals([expected.results.acc, expected.results.acc_norm], [acc, accNorm]);
    assertEquals(questions.total, 160);
    await assertSameRequests(questions, expected);
    await using backend = await openWasm();
    await assertSameAnswers(`${MODELS}/Austen-700K`, backend, golden, [{ questions, golden: expected }]);
  });
}
