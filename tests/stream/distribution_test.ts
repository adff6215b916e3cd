/** What is told of a pruned linear, by the bytes before and after: outputs x inputs, however the file holds them. */
import { assertEquals } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { maskBits } from "../../src/checkpoint/mask.ts";
import { linearsOf } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { MODELS } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";

// GPT-2 holds its weights as inputs x outputs; of a mixture the experts are pruned one by one.
for (const model of ["tiny-qwen2", "tiny-gpt2", "tiny-mixtral"]) {
  for (const name of ["wanda", "sparsegpt", "magnitude"]) {
    Deno.test(`${name} on ${model}: what is told of each linear is what its bytes tell`, async () => {
      await using checkpoint = await openDirectory(`${MODELS}/${model}`);
      const linears = new Map(readSpec(checkpoint).blocks.flatMap(linearsOf).map((linear) => [linear.name, linear]));
      const told = new Map<string, Record<string, unknown>>(), masks = new Map<string, Uint8Array>();
      const weights = new Map<string, Uint8Array<ArrayBuffer>>();
      const { reports } = await pruned(checkpoint, new ReferenceBackend(), {
        name,
        onDistribution: (linear, { magnitudes, scores, density: { zeros } }) => {
          const { counts, extremes } = magnitudes;
          const greatest = Array.from({ length: extremes.length / 3 }, (_, row) => {
            return Math.max(extremes[3 * row], extremes[3 * row + 2]);
          });
          told.set(linear, {
            numbers: counts.reduce((a, b) => a + b),
            greatest,
            zeros: zeros.reduce((a, b) => a + b),
            scores: scores?.counts.reduce((a, b) => a + b),
          });
        },
        write: (name, bytes, kept) => {
          weights.set(name, bytes);
          masks.set(name, kept.slice());
          return Promise.resolve();
        },
      });
      assertEquals(told.size, reports.length);
      for (const { name: linear, zeros } of reports) {
        const { rows, cols, transposed } = linears.get(linear)!, tensor = `${linear}.weight`;
        const { dtype } = checkpoint.tensors.get(tensor)!;
        const before = toFloats((await checkpoint.read([tensor])).get(tensor)!, dtype), after = weights.get(tensor)!;
        const greatest = Array(rows).fill(0);
        before.forEach((value, at) => {
          const row = transposed ? at % rows : Math.floor(at / cols);
          greatest[row] = Math.max(greatest[row], Math.abs(value));
        });
        assertEquals(masks.get(tensor), maskBits(after, dtype), `${linear}: mask`);
        assertEquals(toFloats(after, dtype).filter((value) => value === 0).length, zeros, `${linear}: zeros`);
        const numbers = rows * cols, { scores, ...found } = told.get(linear)!;
        assertEquals(found, { numbers, greatest, zeros }, linear);
        assertEquals(scores, name === "sparsegpt" ? undefined : numbers, `${linear}: scores`);
      }
    });
  }
}
