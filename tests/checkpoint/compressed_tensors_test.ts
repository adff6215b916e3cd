/** The sparse formats of compressed-tensors: files as that library wrote them are read as the dense ones, and copied dense. */
import { assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { readSafetensors } from "../../src/checkpoint/safetensors.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { copyDirectory, FIXTURES, temporary } from "./folders.ts";
import { memory, safetensorsFile } from "./safetensors_file.ts";

type Tensors = Map<string, { dtype: string; shape: readonly number[]; bytes: Uint8Array }>;

/** The tensors of a model, half of its linears' numbers zero: any, or two of four. */
async function half(format: string): Promise<Tensors> {
  const bytes = Deno.readFileSync(`${FIXTURES}/Austen-700K/model.safetensors`), tensors: Tensors = new Map();
  for (const { name, dtype, shape, offset, bytes: length } of (await readSafetensors(memory(bytes))).entries.values()) {
    const own = bytes.slice(offset, offset + length), words = new Uint16Array(own.buffer);
    const drop = (word: number, i: number) => format === "sparse-bitmask" ? word % 3 === 0 : (i + (i >> 2)) % 4 < 2;
    if (name.endsWith("proj.weight")) words.forEach((word, i) => words[i] = drop(word, i) ? 0 : word || 1);
    tensors.set(name, { dtype, shape, bytes: own });
  }
  return tensors;
}

/** The tensors that compressed-tensors makes of them, by its own description of each format. */
function compress(tensors: Tensors, format: string): Tensors {
  const out: Tensors = new Map();
  for (const [name, tensor] of tensors) {
    if (!name.endsWith("proj.weight")) {
      out.set(name, tensor);
      continue;
    }
    const [rows, cols] = tensor.shape, words = new Uint16Array(tensor.bytes.buffer), perRow = Math.ceil(cols / 8);
    const mask = new Uint8Array(rows * perRow), kept: number[] = [], offsets: bigint[] = [];
    for (let row = 0; row < rows; row++) {
      offsets.push(BigInt(kept.length));
      for (let col = 0; col < cols; col++) {
        if (!words[row * cols + col]) continue;
        mask[row * perRow + (col >> 3)] |= 1 << (col & 7);
        kept.push(words[row * cols + col]);
      }
    }
    const bitmask = format === "sparse-bitmask", stem = bitmask ? name : name.replace(/\.weight$/, "");
    const bytesOf = (array: { buffer: ArrayBuffer }) => new Uint8Array(array.buffer);
    const shape = bitmask ? [kept.length] : [rows, cols / 2];
    out.set(`${stem}.compressed`, { dtype: "F16", shape, bytes: bytesOf(Uint16Array.from(kept)) });
    out.set(`${stem}.bitmask`, { dtype: "U8", shape: [rows, perRow], bytes: mask });
    out.set(`${stem}.shape`, {
      dtype: "I64",
      shape: [2],
      bytes: bytesOf(BigInt64Array.of(BigInt(rows), BigInt(cols))),
    });
    if (bitmask) {
      out.set(`${stem}.row_offsets`, { dtype: "I64", shape: [rows], bytes: bytesOf(BigInt64Array.from(offsets)) });
    }
  }
  return out;
}

/** A file of tensors. */
function fileOf(tensors: Tensors): Uint8Array<ArrayBuffer> {
  let end = 0;
  const header = Object.fromEntries([...tensors].map(([name, { dtype, shape, bytes }]) => {
    return [name, { dtype, shape, data_offsets: [end, end += bytes.length] }];
  }));
  const data = new Uint8Array(end);
  for (const [name, { bytes }] of tensors) data.set(bytes, header[name].data_offsets[0]);
  return safetensorsFile(header, data);
}

for (const format of ["sparse-bitmask", "sparse-24-bitmask"]) {
  Deno.test(`${format} is read as the dense model, and copied as that`, async () => {
    using folder = temporary();
    const path = `${folder.path}/model`, dense = await half(format), packed = compress(dense, format);
    copyDirectory(`${FIXTURES}/Austen-700K`, path);
    const config = JSON.parse(Deno.readTextFileSync(`${path}/config.json`));
    const said = {
      ...config,
      quantization_config: { quant_method: "compressed-tensors", sparsity_config: { format } },
    };
    Deno.writeTextFileSync(`${path}/config.json`, JSON.stringify(said));
    // In two files, with an index that names what is in them.
    const shards = [...packed].map(([name], i) => [name, `model-0000${i < 20 ? 1 : 2}-of-00002.safetensors`]);
    const weights = new Map(shards.map(([name, shard]) => [name, shard]));
    const stem = (name: string) => name.replace(/\.(compressed|bitmask|shape|row_offsets)$/, "");
    for (const [name] of weights) weights.set(name, weights.get(`${stem(name)}.compressed`) ?? weights.get(name)!);
    Deno.removeSync(`${path}/model.safetensors`);
    for (const shard of new Set(weights.values())) {
      Deno.writeFileSync(
        `${path}/${shard}`,
        fileOf(new Map([...packed].filter(([name]) => weights.get(name) === shard))),
      );
    }
    Deno.writeTextFileSync(
      `${path}/model.safetensors.index.json`,
      JSON.stringify({ weight_map: Object.fromEntries(weights) }),
    );

    await using checkpoint = await openDirectory(path);
    await using writer = await createWriter(checkpoint, `${folder.path}/copy`);
    await writer.finish();
    await using copy = await openDirectory(`${folder.path}/copy`);
    for (const held of [checkpoint, copy]) {
      assertEquals(held.config, config);
      assertEquals(new Set(held.tensors.keys()), new Set(dense.keys()));
      const read = await held.read([...dense.keys()]);
      for (const [name, { shape, bytes }] of dense) {
        assertEquals(held.tensors.get(name)!.shape, shape, name);
        assertEquals(read.get(name), bytes, name);
      }
    }

    const [name] = [...packed.keys()].filter((each) => each.endsWith(".bitmask"));
    packed.get(name)!.bytes[3] ^= 1;
    Deno.removeSync(`${path}/model.safetensors.index.json`);
    Deno.writeFileSync(`${path}/model.safetensors`, fileOf(packed));
    await using damaged = await openDirectory(path);
    await assertRejects(() => damaged.read([...dense.keys()]), PareError, "has other numbers than its mask");
  });
}
