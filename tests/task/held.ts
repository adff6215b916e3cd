/**
 * Prints the bytes that an exam of so many documents, made up here, holds once its text has become tokens, and once those are
 * in order for a model.
 *
 * usage: deno run --v8-flags=--expose-gc,--single-threaded-gc held.ts MODEL DOCUMENTS
 */
import type { Backend } from "../../src/backend/backend.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { likelihoodInquiry } from "../../src/stream/likelihood.ts";
import { encodeExam, readExam } from "../../src/task/exam.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";

const [model, documents] = Deno.args;
const file = await Deno.makeTempFile({ suffix: ".jsonl" });
const words = (await Deno.readTextFile(new URL("../fixtures/data/austen-heldout.txt", import.meta.url))).split(/\s+/);
/** About two hundred characters that no other document has. */
const context = (i: number) =>
  Array.from({ length: 40 }, (_, j) => words[(5 * i + j * (1 + i % 7)) % words.length]).join(" ");
const lines = Array.from({ length: Number(documents) }, (_, i) => {
  return JSON.stringify({ context: context(i), choices: words.slice(i, i + 4), label: i % 4 });
});
await Deno.writeTextFile(file, lines.join("\n"));
lines.length = 0;
await using checkpoint = await openDirectory(model);
const tokenizer = await loadTokenizer((name) => checkpoint.readText(name), model);
// Every word is known to the tokenizer then, which remembers those that it has seen.
for (const word of words) tokenizer.encode(` ${word}`, { special: false });
const exam = await readExam({ names: [file], fileOf: () => file });
const encoded = await encodeExam(exam, { tokenizer, longest: 512 });
const tokens = await alive();
await Deno.remove(file);
let ids = 0;
for (let i = 0; i < encoded.requests.length; i++) {
  const { context, continuation } = encoded.requests.at(i);
  // The choices of a document have one context.
  ids += continuation.length + (i % 4 === 0 ? context.length : 0);
}
const backend = { limits: { batchTokens: 1024 } } as Backend;
const inquiry = likelihoodInquiry({ ...encoded, once: true }, { checkpoint, backend });
const order = await alive(), through = inquiry.batch.ids.length;
console.log(JSON.stringify({ tokens, ids, order, through, asked: exam.questions[0].key.length }));

/** Bytes that are not garbage. */
async function alive(): Promise<number> {
  await new Promise((r) => setTimeout(r, 50));
  (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
