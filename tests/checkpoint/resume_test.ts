/** What a killed run has left is gone on with as far as it holds, and never taken for more. */
import { assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { names, temporary } from "./folders.ts";

const MODEL = new URL("../fixtures/models/tiny-qwen2", import.meta.url).pathname;
const norm = (block: number) => `model.layers.${block}.input_layernorm.weight`;

/** Writes two blocks' norms as two steps, and gives up as a run that may be resumed. */
async function begin(out: string): Promise<{ tensors: Uint8Array[]; shard: string; offset: number }> {
  await using checkpoint = await openDirectory(MODEL);
  await using writer = await createWriter(checkpoint, out, { plan: "a", resume: true });
  assertEquals(writer.steps, []);
  const tensors: Uint8Array[] = [];
  for (const block of [0, 1]) {
    const { bytes } = checkpoint.tensors.get(norm(block))!, written = new Uint8Array(bytes).fill(block + 1);
    await writer.write(norm(block), written);
    writer.step({ block });
    tensors.push(written);
  }
  const { shard, offset } = checkpoint.tensors.get(norm(1))!;
  return { tensors, shard, offset };
}

async function resumed(out: string, plan = "a"): Promise<unknown[]> {
  await using checkpoint = await openDirectory(MODEL);
  await using writer = await createWriter(checkpoint, out, { plan, resume: true });
  return writer.steps.map(({ entry }) => entry);
}

Deno.test("finished steps are found again, and finish writes only what is missing", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`, { tensors } = await begin(out);
  assertEquals(names(folder.path), [".out.partial"]);
  assertEquals(await resumed(out), [{ block: 0 }, { block: 1 }]);
  await using checkpoint = await openDirectory(MODEL);
  {
    await using writer = await createWriter(checkpoint, out, { plan: "a", resume: true });
    assertEquals(await writer.read(norm(1)), tensors[1]);
    await writer.finish();
  }
  assertEquals(names(folder.path), ["out"]);
  await using written = await openDirectory(out);
  const all = [...checkpoint.tensors.keys()], found = await written.read(all), dense = await checkpoint.read(all);
  for (const name of all) {
    const block = [norm(0), norm(1)].indexOf(name);
    assertEquals(found.get(name)!.slice(), block < 0 ? dense.get(name)!.slice() : tensors[block], name);
  }
});

Deno.test("a tensor that is not what its step says ends what is believed, there and after", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`, { shard, offset } = await begin(out);
  using file = Deno.openSync(`${folder.path}/.out.partial/model/${shard}`, { write: true });
  file.seekSync(offset, Deno.SeekMode.Start);
  file.writeSync(Uint8Array.of(99));
  assertEquals(await resumed(out), [{ block: 0 }]);
});

Deno.test("a journal that was cut anywhere is believed as far as its lines are whole", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`, journal = `${folder.path}/.out.partial/journal`;
  await begin(out);
  const text = Deno.readTextFileSync(journal);
  for (let length = 0; length <= text.length; length += 7) {
    Deno.writeTextFileSync(journal, text.slice(0, length));
    const whole = text.slice(0, length).split("\n").length - 2;
    // A line without its end may still be whole.
    const found = (await resumed(out)).length;
    assertEquals(found === Math.max(0, whole) || found === whole + 1, true, `${length}: ${found}`);
    Deno.writeTextFileSync(journal, text);
  }
});

Deno.test("what a run of another plan has left is refused, and dropped without --resume", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  await begin(out);
  await assertRejects(() => resumed(out, "b"), PareError, "was begun by a run of another plan (a, not b)");
  assertEquals(await resumed(out), [{ block: 0 }, { block: 1 }], "a refusal changes nothing");
  await using checkpoint = await openDirectory(MODEL);
  {
    await using writer = await createWriter(checkpoint, out, { plan: "b" });
    assertEquals(writer.steps, []);
  }
  assertEquals(names(folder.path), []);
});

Deno.test("a run that is under way is not resumed by another", async () => {
  using folder = temporary();
  await using checkpoint = await openDirectory(MODEL);
  await using _writer = await createWriter(checkpoint, `${folder.path}/out`, { plan: "a", resume: true });
  await assertRejects(() => resumed(`${folder.path}/out`), PareError, "is being written already, by another run");
});
