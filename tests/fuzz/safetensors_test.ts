/** Damaged safetensors: the header's reader, and the reading of what it promises. */
import { readSafetensors } from "../../src/checkpoint/safetensors.ts";
import { memory, safetensorsFile } from "../checkpoint/safetensors_file.ts";
import { damage, fuzz } from "./mutations.ts";

const small = safetensorsFile({
  __metadata__: { format: "pt" },
  "a.weight": { dtype: "F16", shape: [2, 3], data_offsets: [0, 12] },
  b: { dtype: "F32", shape: [4], data_offsets: [12, 28] },
  c: { dtype: "BF16", shape: [], data_offsets: [28, 30] },
}, 30);
const real = Deno.readFileSync(
  new URL("../fixtures/models/tiny-mistral/model-00001-of-00002.safetensors", import.meta.url),
);
const header = (bytes: Uint8Array<ArrayBuffer>) => 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));

for (
  const [name, file, cases] of [["small", small, 30_000], ["real", real.slice(0, header(real) + 64), 10_000]] as const
) {
  fuzz(`${name} safetensors`, cases, async (random) => {
    const source = memory(damage(file, random, header(file)));
    const { entries } = await readSafetensors(source);
    for (const { offset, bytes } of entries.values()) await source.read(offset, bytes);
  });
}
