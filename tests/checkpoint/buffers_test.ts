/**
 * Tensors in a file that no model asks for: causal masks, counters, frequencies, which old files carry among the weights in any
 * dtype. They are copied byte for byte and never looked at.
 */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { tensorNames } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { Copy } from "../scripts/damage.ts";
import { run } from "../scripts/commands.ts";
import { pruned } from "../stream/pruned.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { FIXTURES, temporary } from "./folders.ts";

const BUFFER_BYTES: Readonly<Record<string, number>> = {
  ...{ U8: 1, BOOL: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, I16: 2, F16: 2, BF16: 2, I32: 4, F32: 4, I64: 8, F64: 8, U64: 8 },
};

/** All ones: NaN in every float that has one. */
function buffer(dtype: string, shape: number[]) {
  const bytes = shape.reduce((product, each) => product * each, 1) * BUFFER_BYTES[dtype];
  return { dtype, shape, bytes: new Uint8Array(bytes).fill(0xff) };
}

/** What GPT-2, Pythia and others have had among their weights, and what nobody has seen yet. */
const BUFFERS = {
  "transformer.h.0.attn.bias": buffer("F32", [1, 1, 8, 8]),
  "transformer.h.1.attn.bias": buffer("U8", [1, 1, 8, 8]),
  "transformer.h.0.attn.masked_bias": buffer("F16", []),
  "transformer.h.1.attn.masked_bias": buffer("BF16", []),
  "transformer.h.0.attn.rotary_emb.inv_freq": buffer("F64", [4]),
  "transformer.position_ids": buffer("I64", [1, 16]),
  "transformer.none": buffer("F32", [0, 3]),
  ...Object.fromEntries(
    ["BOOL", "I8", "I16", "I32", "U64", "F8_E4M3", "F8_E5M2"].map((dtype) => [`other.${dtype}`, buffer(dtype, [3])]),
  ),
};

Deno.test("buffers of every dtype go along byte for byte, and a model with them is pruned as one without", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/in`, `${FIXTURES}/tiny-gpt2`), out = `${folder.path}/out`;
  await using plain = await openDirectory(`${FIXTURES}/tiny-gpt2`);
  copy.add(BUFFERS);
  await using checkpoint = await openDirectory(copy.path);
  await using backend = new ReferenceBackend();
  assertEquals(readSpec(checkpoint), readSpec(plain));
  const { weights } = await pruned(checkpoint, backend, { name: "magnitude" });
  assertEquals(weights, (await pruned(plain, backend, { name: "magnitude" })).weights);
  {
    await using writer = await createWriter(checkpoint, out, { model: tensorNames(readSpec(checkpoint)) });
    for (const [name, bytes] of weights) await writer.write(name, bytes);
    await writer.finish();
  }
  await using written = await openDirectory(out);
  assertEquals(written.headers, checkpoint.headers);
  for (const [name, { bytes }] of Object.entries(BUFFERS)) {
    const pieces = await Array.fromAsync(written.stream(name));
    assertEquals(pieces.flatMap((piece) => [...piece]), [...bytes], name);
  }
});

Deno.test("inspect counts buffers and finds no damage in them", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/in`, `${FIXTURES}/tiny-gpt2`);
  await using plain = await openDirectory(copy.path);
  const { size } = plain.tensors;
  copy.add(BUFFERS);
  const { code, out, err } = await run("inspect", copy.path);
  assertEquals([code, err], [0, ""]);
  assertMatch(out, new RegExp(`^all +${size + Object.keys(BUFFERS).length} +.*I64`, "m"));
});

for (const dtype of ["I32", "U32"]) {
  for (
    const name of ["transformer.wte.weight", "transformer.h.1.attn.c_attn.weight", "transformer.h.0.mlp.c_fc.bias"]
  ) {
    Deno.test(`${name} in ${dtype} is refused by name: a model asks for it`, async () => {
      using folder = temporary();
      const copy = new Copy(`${folder.path}/in`, `${FIXTURES}/tiny-gpt2`);
      copy.header((header) => header[name].dtype = dtype);
      await using checkpoint = await openDirectory(copy.path);
      const { message } = assertThrows(() => readSpec(checkpoint), PareError);
      assertEquals(message, `${copy.path}: tensor "${name}" is ${dtype}; Pare reads F32, F16, BF16`);
    });
  }
}

Deno.test("integer masks do not make a model quantised whose config says that it once was", async () => {
  using folder = temporary();
  const copy = new Copy(`${folder.path}/in`, `${FIXTURES}/tiny-gpt2`);
  copy.add({ "transformer.h.0.attn.bias": BUFFERS["transformer.h.1.attn.bias"] });
  copy.json("config.json", (config) => config.quantization_config = { quant_method: "gptq", bits: 4 });
  await using checkpoint = await openDirectory(copy.path);
  readSpec(checkpoint);
});
