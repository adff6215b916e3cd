/**
 * Every family from end to end on its tiny model: pruned, written, opened again. Sparsity is counted along a linear's inputs in
 * the bytes of the file, by the layout that the family is known to have, and all that is no linear of a block is as before.
 */
import { assert, assertEquals } from "@std/assert";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import type { TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import type { Pattern, RequestOptions } from "../../src/method/mod.ts";
import { tensorNames } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { temporary } from "../checkpoint/folders.ts";
import { GoldenFile } from "../golden/files.ts";
import { toFloats } from "../reference/floats.ts";
import { MODELS } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";

const GOLDEN = new URL("../golden", import.meta.url).pathname;

/** A model of each family, and how many linears it has. */
const FAMILIES: Readonly<Record<string, number>> = {
  "opt": 12,
  "opt-projected": 12,
  "pythia": 8,
  "gpt-neox": 8,
  "bloom": 8,
  "gpt2": 8,
  "gemma2": 14,
  "gemma3": 21,
  "phi3": 8,
  "smollm3": 14,
  "mistral-window": 14,
  "olmo2": 14,
  "cohere": 14,
  "mixtral": 32,
  "qwen3-moe": 39,
};

/** The rows of a weight as a linear has them, outputs x inputs, of bytes in the file's own layout. */
function rowsOf(bytes: Uint8Array, { dtype, shape: [rows, cols] }: TensorInfo, transposed: boolean): Float32Array[] {
  const values = toFloats(bytes, dtype);
  return transposed
    ? Array.from(
      { length: cols },
      (_, col) => Float32Array.from({ length: rows }, (_, row) => values[row * cols + col]),
    )
    : Array.from({ length: rows }, (_, row) => values.slice(row * cols, (row + 1) * cols));
}

const zerosOf = (values: Float32Array): number => values.filter((value) => value === 0).length;

/** Holds a pruned linear against what was asked: so many zeros in every row, or at least so many in every group of a row. */
function checkZeros(name: string, rows: readonly Float32Array[], pattern: Pattern | undefined): void {
  for (const row of rows) {
    if (!pattern) assertEquals(zerosOf(row), Math.floor(row.length / 2), name);
    else {
      for (let at = 0; at < row.length; at += pattern.m) {
        const zeros = zerosOf(row.subarray(at, at + pattern.m));
        assert(zeros >= pattern.m - pattern.n, `${name}: ${zeros} zeros in a group`);
      }
    }
  }
}

for (const [model, linears] of Object.entries(FAMILIES)) {
  const transposed = model === "gpt2";
  Deno.test(`tiny-${model} pruned, written and opened again has zeros along its inputs and nothing else changed`, async () => {
    using folder = temporary();
    await using backend = await openWasm({ workers: 1 });
    await using dense = await openDirectory(`${MODELS}/tiny-${model}`);
    const calibration = new GoldenFile(`${GOLDEN}/tiny-${model}/logits.safetensors`).tokens("tokens");
    const check = async (name: string, ask: RequestOptions) => {
      const { weights, reports } = await pruned(dense, backend, {
        name,
        ask,
        ...name !== "magnitude" && { calibration },
      });
      assertEquals([reports.length, weights.size], [linears, linears]);
      for (const { name, zeros, rows, cols } of reports) {
        const found = rowsOf(weights.get(`${name}.weight`)!, dense.tensors.get(`${name}.weight`)!, transposed);
        assertEquals([found.length, found[0].length], [rows, cols], name);
        assertEquals(found.map(zerosOf).reduce((a, b) => a + b), zeros, name);
        checkZeros(name, found, ask.pattern);
      }
      return weights;
    };
    await check("magnitude", { pattern: { n: 2, m: 4 } });
    await check("sparsegpt", { pattern: { n: 1, m: 4 } });
    const weights = await check("wanda", {});
    {
      await using writer = await createWriter(dense, `${folder.path}/out`, { model: tensorNames(readSpec(dense)) });
      for (const [name, bytes] of weights) await writer.write(name, bytes);
      await writer.finish();
    }
    await using written = await openDirectory(`${folder.path}/out`);
    const before = await dense.read([...dense.tensors.keys()]), after = await written.read([...dense.tensors.keys()]);
    for (const [name, bytes] of after) assertEquals(bytes, weights.get(name) ?? before.get(name), name);
    assertEquals(readSpec(written), readSpec(dense));
    assertEquals(backend.live, 0);
  });
}
