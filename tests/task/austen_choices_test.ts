/** Continuations of Austen's sentences, asked of the model that comes with Pare as lm-evaluation-harness asks it. */
import { assertEquals } from "@std/assert";
import { ownTask } from "../../src/task/own.ts";
import { ask } from "../../src/task/questions.ts";
import { readRows } from "../../src/task/rows.ts";
import { BACKENDS } from "../golden/backends.ts";
import { MODELS } from "../stream/checkpoints.ts";
import { assertSameAnswers, assertSameRequests, readHarness } from "./harness.ts";

const DATA = new URL("../fixtures/data/austen-choices.jsonl", import.meta.url).pathname;

/** The questions, and what the harness found. */
async function asked(shots: number) {
  const golden = readHarness(new URL(`../golden/zero-shot/austen-choices-${shots}shot.json`, import.meta.url));
  const set = await readRows(DATA), { value: first } = await set.read().next(), task = ownTask(DATA, first);
  return { golden, questions: await ask(task, { shots, rows: () => Promise.resolve(set) }) };
}

/** Documents that WebGPU is asked, which a software driver answers in a second; WASM is asked all. */
const ON_WEBGPU = 4;

for (const [shots, acc, accNorm] of [[0, 0.5125, 0.5625], [2, 0.475, 0.55]]) {
  Deno.test(`austen-choices with ${shots} examples: the harness's requests and figures`, async () => {
    const { questions, golden } = await asked(shots);
    const { austen_choices: expected } = golden.tasks;
    assertEquals([expected.results.acc, expected.results.acc_norm], [acc, accNorm]);
    assertEquals(questions.total, 160);
    await assertSameRequests(questions, expected);
  });

  for (const { name, ignore, open } of BACKENDS) {
    const shortest = name === "webgpu" ? ON_WEBGPU : undefined;
    Deno.test({
      name: `austen-choices with ${shots} examples on ${name}: the harness's likelihoods`,
      ignore,
      async fn() {
        await using backend = await open();
        const { questions, golden } = await asked(shots);
        const { austen_choices: expected } = golden.tasks;
        await assertSameAnswers(`${MODELS}/Austen-700K`, backend, golden, [{ questions, golden: expected, shortest }]);
      },
    });
  }
}
