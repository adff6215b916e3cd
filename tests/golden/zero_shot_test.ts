/** Whole benchmarks' requests against the harness's fingerprints, and SmolLM2's answers, where the gate has them. */
import { assertEquals } from "@std/assert";
import { findTask } from "../../src/task/mod.ts";
import { ask, type Part } from "../../src/task/questions.ts";
import { readRows, type Rows } from "../../src/task/rows.ts";
import type { Request, Task } from "../../src/task/task.ts";
import { Random } from "../../src/text/random.ts";
import { assertSameAnswers, assertSameRequests, type Harness, readHarness } from "../task/harness.ts";
import { hashRequests } from "../task/python_json.ts";
import { BACKENDS } from "./backends.ts";
import { SHARED, SMOLLM2, testWith } from "./shared.ts";

const files = new Map<string, Promise<Rows>>();

/** A file of the sets, read once. */
function rows({ file }: Part): Promise<Rows> {
  const found = files.get(file) ?? readRows(`${SHARED}/data/benchmarks/${file}.parquet`);
  files.set(file, found);
  return found;
}

/** The golden tasks of a file with their questions; of subjects with examples before them, which are long, one is a part. */
async function subjects({ tasks }: Harness, shots: number, shortest?: number) {
  const found = [], named = Object.entries(tasks);
  for (const [name, golden] of shortest && shots ? named.slice(0, 1) : named) {
    found.push({ questions: await ask(findTask(name) as Task, { shots, rows }), golden, shortest });
  }
  return found;
}

/** `random.shuffle`, as the fingerprints are made. */
function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.randint(0, i);
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

testWith([SHARED], "the requests of whole benchmarks are the harness's, to the character", async () => {
  const prints = JSON.parse(await Deno.readTextFile(`${SHARED}/data/benchmarks/fingerprints.json`));
  for (const [name, { rows: count, requests_sha256 }] of Object.entries<Record<string, unknown>>(prints)) {
    if (requests_sha256 === undefined) continue;
    const questions = await Array.fromAsync((await ask(findTask(name) as Task, { rows })).read());
    assertEquals(questions.length, count);
    // The fingerprint of BoolQ was taken when its choices stood the other way round.
    const order = (requests: readonly Request[]) => name === "boolq" ? requests.toReversed() : requests;
    const shuffled = shuffle(questions.map(({ requests }) => order(requests)), new Random(42));
    assertEquals(hashRequests(shuffled.flat()), requests_sha256, name);
  }
});

testWith([SHARED], "every golden document's requests are the harness's, with five examples too", async () => {
  for (const [file, shots] of [["smollm2", 0], ["smollm2-mmlu-5shot", 5]] as const) {
    const golden = readHarness(`${SHARED}/golden/zero-shot/${file}.json`);
    for (const { questions, golden: task } of await subjects(golden, shots)) await assertSameRequests(questions, task);
  }
});

/** Documents of each task, the shortest, that a software driver is asked: a tenth of a second for a token. WASM is asked all. */
const ON_WEBGPU = 1;

for (const { name, ignore, open } of BACKENDS) {
  const shortest = name === "webgpu" ? ON_WEBGPU : undefined;
  testWith([SHARED, SMOLLM2], `SmolLM2 answers the benchmarks as it answers the harness, on ${name}`, async () => {
    await using backend = await open();
    for (const [file, shots] of [["smollm2", 0], ["smollm2-mmlu-5shot", 5]] as const) {
      const golden = readHarness(`${SHARED}/golden/zero-shot/${file}.json`);
      await assertSameAnswers(SMOLLM2!, backend, golden, await subjects(golden, shots, shortest));
    }
  }, ignore);
}
