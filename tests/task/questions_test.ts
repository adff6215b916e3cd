/** Which examples stand before which document: the harness's own draws on small made-up sets. */
import { assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { findTask } from "../../src/task/mod.ts";
import { ownTask } from "../../src/task/own.ts";
import { ask, type Questions } from "../../src/task/questions.ts";
import { heldRows } from "../../src/task/rows.ts";
import type { Task } from "../../src/task/task.ts";
import { hashRequests } from "./python_json.ts";

/** All questions, with their texts. */
const all = async (asked: Promise<Questions>) => await Array.fromAsync((await asked).read());

const golden: {
  shots: number;
  tasks: Record<string, { files: Record<string, unknown[]>; requests_sha256: string[] }>;
} = JSON.parse(Deno.readTextFileSync(new URL("../golden/zero-shot/few-shot.json", import.meta.url)));

for (const [name, { files, requests_sha256 }] of Object.entries(golden.tasks)) {
  Deno.test(`${name} with ${golden.shots} examples: the harness's draws, document after document`, async () => {
    const questions = await all(ask(findTask(name) as Task, {
      shots: golden.shots,
      rows: ({ file }) => Promise.resolve(heldRows(file, files[file])),
    }));
    assertEquals(questions.map(({ requests }) => hashRequests(requests).slice(0, 16)), requests_sha256);
  });
}

Deno.test("a document is no example for itself, nor is one that says the same", async () => {
  const rows = ["a", "b", "a", "c"].map((context) => ({ context, choices: ["x", "y"], label: 1 }));
  const set = heldRows("own.jsonl", rows), task = ownTask(set.path, rows[0]);
  const contexts = async (shots: number, limit?: number) =>
    (await all(ask(task, { shots, limit, rows: () => Promise.resolve(set) }))).map((q) => q.requests[0].context);
  assertEquals(await contexts(2), ["b y\n\nc y\n\na", "a y\n\na y\n\nb", "b y\n\nc y\n\na", "a y\n\nb y\n\nc"]);
  assertEquals(await contexts(2, 1), ["b y\n\nc y\n\na"]);
  await assertRejects(() => contexts(3), PareError, "own: 3 examples asked for, own.jsonl has 2 others");
});
