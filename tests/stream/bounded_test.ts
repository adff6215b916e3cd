/** Of a large block only a part waits for the backend or for the disk, whatever the disk does. */
import { assert, assertEquals } from "@std/assert";
import { Block, READ_AHEAD_BYTES, type TensorSource } from "../../src/model/block.ts";
import { residentTensors } from "../../src/model/layers.ts";
import { parseConfig } from "../../src/model/read.ts";
import { Results, WRITE_BEHIND_BYTES } from "../../src/stream/results.ts";
import { ReferenceBackend } from "../reference/backend.ts";

const CONFIG = {
  ...{ model_type: "llama", hidden_size: 4, intermediate_size: 4, num_attention_heads: 1, num_hidden_layers: 1 },
  ...{ vocab_size: 8, max_position_embeddings: 8 },
};

Deno.test("a block is read in portions, in order, the next one when the one before is on the backend", async () => {
  const [block] = parseConfig(CONFIG, "m").blocks, tensors = residentTensors(block);
  // Said to be large: three of them are more than may wait, and the last one alone is.
  const large = new Map(tensors.map(({ name }, at) => {
    const bytes = at === tensors.length - 1 ? 2 * READ_AHEAD_BYTES : Math.floor(READ_AHEAD_BYTES / 2);
    return [name, { dtype: "F16" as const, bytes }];
  }));
  await using backend = new ReferenceBackend();
  const asked: (readonly string[])[] = [];
  const source: TensorSource = {
    tensors: large,
    read(names) {
      assertEquals(backend.live, asked.flat().length, "what was read before is on the backend");
      asked.push(names);
      const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
      return Promise.resolve(
        new Map(names.map((name) => [name, new Uint8Array(2 * shapes.get(name)!.reduce((a, b) => a * b))])),
      );
    },
  };
  const incoming = Block.read(source, block);
  assertEquals(asked.length, 1);
  using _ = await Block.upload(backend, source, incoming);
  assertEquals(asked.flat(), tensors.map(({ name }) => name));
  assertEquals(asked.slice(0, -1).map(({ length }) => length), Array(asked.length - 1).fill(2));
  assertEquals(asked.at(-1)!.length, 1);
});

Deno.test("results wait for the disk when more would be on their way than may be", async () => {
  await using backend = new ReferenceBackend();
  await using results = new Results({ backend, write: () => Promise.resolve() });
  const written = Array.from({ length: 3 }, () => Promise.withResolvers<void>()), half = WRITE_BEHIND_BYTES / 2;
  let there = false;
  for (const { promise } of written.slice(0, 2)) {
    await results.room(half);
    results.enqueue(half, () => promise);
  }
  const room = results.room(1).then(() => there = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert(!there, "there is no room for one byte more");
  written[0].resolve();
  await room;
  // What is alone may be larger.
  written[1].resolve();
  await results.room(3 * WRITE_BEHIND_BYTES);
});
