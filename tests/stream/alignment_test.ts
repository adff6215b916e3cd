/** Bytes are understood wherever in a shard they begin. */
import { assertEquals } from "@std/assert";
import { BYTES, type Dtype } from "../../src/backend/backend.ts";
import { bitPatterns } from "../../src/checkpoint/bits.ts";
import { describeLinear } from "../../src/checkpoint/describe.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { allFinite } from "../../src/checkpoint/finite.ts";
import { maskBits } from "../../src/checkpoint/mask.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { temporary } from "../checkpoint/folders.ts";
import { safetensorsFile } from "../checkpoint/safetensors_file.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { MODELS } from "./checkpoints.ts";
import { randomTokens } from "./random_model.ts";

/** 0, 1, -0, 2, 0, -1, 1, 0 of each dtype. */
const NUMBERS: Readonly<Record<Dtype, Uint8Array<ArrayBuffer>>> = {
  F32: new Uint8Array(Float32Array.of(0, 1, -0, 2, 0, -1, 1, 0).buffer),
  F16: new Uint8Array(Float16Array.of(0, 1, -0, 2, 0, -1, 1, 0).buffer),
  BF16: new Uint8Array(Uint16Array.of(0, 0x3f80, 0x8000, 0x4000, 0, 0xbf80, 0x3f80, 0).buffer),
};

for (const [dtype, bytes] of Object.entries(NUMBERS) as [Dtype, Uint8Array<ArrayBuffer>][]) {
  Deno.test(`whoever looks at ${dtype} in bytes sees the same wherever they begin`, () => {
    for (let shift = 0; shift < 8; shift++) {
      const shifted = new Uint8Array(shift + bytes.length + 8).subarray(shift, shift + bytes.length);
      shifted.set(bytes);
      assertEquals(bitPatterns(shifted, dtype), bitPatterns(bytes, dtype));
      assertEquals(describeLinear(shifted, dtype, [2, 4]).zeros, 4);
      assertEquals(allFinite(shifted, dtype), true);
      assertEquals(maskBits(shifted, dtype), Uint8Array.of(0b01101010));
    }
  });
}

Deno.test("a shard of F16 and F32 in turn, in which nothing is aligned, is evaluated as one in which all is", async () => {
  using folder = temporary();
  await using plain = await openDirectory(`${MODELS}/tiny-qwen2`);
  const found: unknown[] = [];
  for (const odd of [0, 3]) {
    // Behind three F16s no F32 stands at a multiple of four.
    const path = `${folder.path}/${odd}`, header: Record<string, unknown> = {}, parts: Uint8Array[] = [];
    let end = 0;
    const add = (name: string, dtype: Dtype, shape: readonly number[], bytes: Uint8Array) => {
      header[name] = { dtype, shape, data_offsets: [end, end += bytes.length] };
      parts.push(bytes);
    };
    for (const [i, { name, dtype, shape }] of [...plain.tensors.values()].entries()) {
      const floats = toFloats((await plain.read([name])).get(name)!, dtype), wide = i % 2 === 1;
      const numbers = wide ? Float32Array.from(floats) : Float16Array.from(floats);
      if (wide) add(`odd.${i}`, "F16", [odd], new Uint8Array(odd * BYTES.F16));
      add(name, wide ? "F32" : "F16", shape, new Uint8Array(numbers.buffer));
    }
    Deno.mkdirSync(path);
    Deno.copyFileSync(`${MODELS}/tiny-qwen2/config.json`, `${path}/config.json`);
    const data = new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
    Deno.writeFileSync(`${path}/model.safetensors`, safetensorsFile(header, data));
    await using checkpoint = await openDirectory(path);
    found.push(await evaluate(randomTokens(1, 16, 128), { checkpoint, backend: new ReferenceBackend() }));
  }
  assertEquals(found[1], found[0]);
});
