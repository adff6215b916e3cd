/** What a model directory gives, and what is said of one that is none, or whose files contradict each other. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { copyDirectory, FIXTURES, temporary } from "./folders.ts";
import { safetensorsFile } from "./safetensors_file.ts";

const INDEX = "model.safetensors.index.json";
const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

Deno.test("tensors come in the order of shards and bytes, with their bytes", async () => {
  await using checkpoint = await openDirectory(`${FIXTURES}/tiny-mistral`);
  const infos = [...checkpoint.tensors.values()];
  assertEquals([...checkpoint.headers.keys()], SHARDS);
  for (const [i, info] of infos.entries()) {
    const before = infos[i - 1];
    assert(!before || before.shard < info.shard || before.shard === info.shard && before.offset < info.offset);
  }
  // Against the files themselves, cut by hand.
  const files = new Map(SHARDS.map((shard) => [shard, Deno.readFileSync(`${FIXTURES}/tiny-mistral/${shard}`)]));
  for (const [name, bytes] of await checkpoint.read(infos.map(({ name }) => name))) {
    const { shard, offset } = checkpoint.tensors.get(name)!;
    assertEquals(bytes, files.get(shard)!.slice(offset, offset + bytes.length), name);
  }
  assertEquals(checkpoint.config.model_type, "mistral");
  assertEquals(checkpoint.files, ["config.json", INDEX]);
});

Deno.test("rows, pieces and the whole of a matrix are the same bytes", async () => {
  await using checkpoint = await openDirectory(`${FIXTURES}/Austen-700K`);
  const name = "model.embed_tokens.weight";
  const { shape: [rows, cols], dtype } = checkpoint.tensors.get(name)!;
  const whole = (await checkpoint.read([name])).get(name)!;
  assertEquals([rows, cols, dtype, whole.length], [1024, 96, "F16", 1024 * 96 * 2]);
  assertEquals(await checkpoint.readRows(name, 5, 3), whole.slice(5 * 192, 8 * 192));
  assertEquals(await checkpoint.readRows(name, 1024, 0), new Uint8Array());
  await assertRejects(() => checkpoint.readRows(name, 1023, 2), RangeError, "has 1024 rows");
  const pieces = await Array.fromAsync(checkpoint.stream(name));
  assertEquals(new Uint8Array(await new Blob(pieces).arrayBuffer()), whole.slice());
  await assertRejects(() => checkpoint.read(["nothing"]), PareError, `${FIXTURES}/Austen-700K has no tensor "nothing"`);
});

Deno.test("a file beside the weights is read as text, and one that is not there is undefined", async () => {
  await using checkpoint = await openDirectory(`${FIXTURES}/Austen-700K`);
  assertEquals(
    await checkpoint.readText("tokenizer.json"),
    Deno.readTextFileSync(`${FIXTURES}/Austen-700K/tokenizer.json`),
  );
  assertEquals(await checkpoint.readText("vocab.json"), undefined);
  assertEquals(await checkpoint.readText("../tiny-qwen2/config.json"), undefined);
});

/** Opens a damaged copy of tiny-mistral and gives the message, with the folder's name taken out. */
async function complaint(damage: (path: string) => void): Promise<string> {
  using folder = temporary();
  const path = `${folder.path}/model`;
  copyDirectory(`${FIXTURES}/tiny-mistral`, path);
  damage(path);
  const error = await assertRejects(() => openDirectory(path), PareError);
  return error.message.replaceAll(path, "MODEL");
}

Deno.test("what is no model directory gets one line", async () => {
  assertEquals(
    await complaint((path) => Deno.removeSync(path, { recursive: true })),
    "cannot read MODEL: no such file or directory",
  );
  assertEquals(
    await complaint((path) => {
      Deno.removeSync(path, { recursive: true });
      Deno.writeTextFileSync(path, "");
    }),
    "cannot read MODEL: a part of the path is not a directory",
  );
  assertEquals(
    await complaint((path) => Deno.removeSync(`${path}/config.json`)),
    "MODEL is not a model directory: it has no config.json",
  );
  assertEquals(
    await complaint((path) => Deno.writeTextFileSync(`${path}/config.json`, "{]")),
    "MODEL/config.json is not JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
  );
  assertEquals(
    await complaint((path) => {
      for (const name of [INDEX, ...SHARDS]) Deno.removeSync(`${path}/${name}`);
      Deno.writeTextFileSync(`${path}/weights.onnx`, "");
    }),
    `MODEL holds no weights: neither model.safetensors nor ${INDEX} is there (of "weights.onnx" it can read none)`,
  );
});

Deno.test("index and shards that contradict each other get one line", async () => {
  const edit = (change: (map: Record<string, unknown>) => void) => (path: string) => {
    const index = JSON.parse(Deno.readTextFileSync(`${path}/${INDEX}`));
    change(index.weight_map);
    Deno.writeTextFileSync(`${path}/${INDEX}`, JSON.stringify(index));
  };
  const about = `MODEL/${INDEX}: tensor`;
  assertEquals(
    await complaint((path) => Deno.removeSync(`${path}/${SHARDS[1]}`)),
    `MODEL: shard "${SHARDS[1]}" is missing, though ${INDEX} names it`,
  );
  assertEquals(
    await complaint(edit((map) => map.ghost = SHARDS[0])),
    `${about} "ghost" is said to be in "${SHARDS[0]}", but no shard has it`,
  );
  assertEquals(
    await complaint(edit((map) => map["lm_head.weight"] = SHARDS[0])),
    `${about} "lm_head.weight" is said to be in "${SHARDS[0]}", but it is in "${SHARDS[1]}"`,
  );
  assertEquals(
    await complaint(edit((map) => delete map["lm_head.weight"])),
    `MODEL/${INDEX} does not name tensor "lm_head.weight" of "${SHARDS[1]}"`,
  );
  assertEquals(
    await complaint(edit((map) => map["lm_head.weight"] = "../other/model.safetensors")),
    `${about} "lm_head.weight" is said to be in "../other/model.safetensors", which is no shard's name`,
  );
  assertEquals(
    await complaint(edit((map) => map["lm_head.weight"] = 3)),
    `MODEL/${INDEX}: weight_map must map tensor names to file names`,
  );
  assertEquals(
    await complaint((path) => Deno.writeTextFileSync(`${path}/${INDEX}`, `{"weight_map":{}}`)),
    `MODEL/${INDEX} names no tensor`,
  );
  assertEquals(
    await complaint((path) => {
      Deno.copyFileSync(`${path}/${SHARDS[0]}`, `${path}/${SHARDS[1]}`);
    }),
    `${about} "lm_head.weight" is said to be in "${SHARDS[1]}", but no shard has it`,
  );
});

Deno.test("a shard that is cut short, or of a dtype that no model has, gets one line", async () => {
  assertEquals(
    await complaint((path) => Deno.truncateSync(`${path}/${SHARDS[1]}`, 100_000)),
    `MODEL/${SHARDS[1]}: tensor "model.layers.2.mlp.down_proj.weight": its bytes end at 108888, the file at 100000`,
  );
  assertEquals(
    await complaint((path) => Deno.truncateSync(`${path}/${SHARDS[1]}`, 0)),
    `MODEL/${SHARDS[1]} is not a safetensors file: it has 0 bytes`,
  );
  const quantized = { "a.qweight": { dtype: "I32", shape: [1], data_offsets: [0, 4] } };
  assertEquals(
    await complaint((path) => Deno.writeFileSync(`${path}/model.safetensors`, safetensorsFile(quantized, 4))),
    `MODEL/model.safetensors: tensor "a.qweight" is I32; Pare reads F32, F16, BF16`,
  );
});

Deno.test("model.safetensors goes before the index, as in transformers", async () => {
  using folder = temporary();
  copyDirectory(`${FIXTURES}/tiny-mistral`, `${folder.path}/model`);
  const one = { only: { dtype: "F32", shape: [1], data_offsets: [0, 4] } };
  Deno.writeFileSync(`${folder.path}/model/model.safetensors`, safetensorsFile(one, 4));
  await using checkpoint = await openDirectory(`${folder.path}/model`);
  assertEquals([...checkpoint.tensors.keys()], ["only"]);
});

for (
  const [model, dtype, bad] of [
    ["tiny-llama3", "F32", [0, 0, 0xc0, 0x7f]],
    ["Austen-700K", "F16", [0, 0xfc]],
    ["tiny-qwen2", "BF16", [0x81, 0x7f]],
  ] as const
) {
  Deno.test(`a NaN or Inf in ${dtype} is an error that names the tensor, wherever it stands`, async () => {
    using folder = temporary();
    const path = `${folder.path}/model`;
    copyDirectory(`${FIXTURES}/${model}`, path);
    const name = "model.layers.1.mlp.up_proj.weight";
    const file = `${path}/model.safetensors`;
    const message = `${file}: tensor "${name}" holds NaN or Inf`;
    await using sound = await openDirectory(path);
    const info = sound.tensors.get(name)!;
    assertEquals(info.dtype, dtype);
    const bytes = Deno.readFileSync(file);
    const width = bad.length;
    for (const place of [0, 1, 7, info.bytes / width / 2, info.bytes / width - 1]) {
      const damaged = bytes.slice();
      damaged.set(bad, info.offset + place * width);
      Deno.writeFileSync(file, damaged);
      await using checkpoint = await openDirectory(path);
      await assertRejects(() => checkpoint.read([...checkpoint.tensors.keys()]), PareError, message);
      const row = Math.floor(place / info.shape[1]);
      await assertRejects(() => checkpoint.readRows(name, row, 1), PareError, message);
      await checkpoint.readRows(name, row === 0 ? 1 : 0, 1);
      await checkpoint.read(["model.norm.weight"]);
      await Array.fromAsync(checkpoint.stream(name));
    }
  });
}
