/**
 * Table 5 of Wanda's paper for this machine: what a linear takes whose weight is 2:4, against the same weight dense, for the shapes
 * of LLaMA-7B and one token or 2048. Both hold the same numbers, and must give the same product.
 */
import { type Backend, openBackend, type Weight } from "../../src/mod.ts";
import { type PackedData, type PackedShape, partBytes, type ValueType } from "../../src/backend/packed.ts";
import { randomFloats } from "./model.ts";
import type { Bench } from "./part.ts";
import { faster, interleave, type Ratio, type Side } from "./ratio.ts";
import { type BenchShape, shapes } from "./shapes.ts";

/** Tokens, of a text and of the paper's table; rounds of each, and how numbers are stored. */
const BATCHES = [{ tokens: 1, rounds: 15, values: ["F16", "I8"] }, {
  tokens: 2048,
  rounds: 2,
  values: ["F16"],
}] as const;
const QUICK = [{ tokens: 1, rounds: 5, values: ["F16", "I8"] }] as const;
const PATTERN = { n: 2, m: 4 } as const;
/** What is wanted of one token: the bytes are 0.56 and 0.63 of the dense weight's. */
const ONE_TOKEN = { F16: { least: 1.5 }, I8: { least: 1.45 } } as const;
/** Columns that share a scale of integers. */
const GROUP = 128;
/** Two of four bits, every way. */
const NIBBLES = [3, 5, 6, 9, 10, 12];
/** How far two products may be apart, of the largest number: x of one token is rounded to 16 bits where values are integers. */
const TOLERANCE = 1e-3;

/** A weight of random numbers, two of four of them zero. */
function packed(shape: PackedShape, seed: number): PackedData {
  const { values, mask, scales } = partBytes(shape);
  const bits = new Uint32Array(randomFloats(values!).buffer, 0, values! / 4 | 0), halves = new Uint16Array(values! / 2);
  // F16 numbers of either sign about the size of trained weights; integers as they come.
  for (let i = 0; i < halves.length; i++) halves[i] = (bits[i % bits.length] * (i + seed) >>> 7) & 0x87ff | 0x2000;
  const words = new Uint8Array(mask!);
  for (let i = 0; i < words.length; i++) {
    const at = Math.imul(i + seed, 0x9e3779b1) >>> 8;
    words[i] = NIBBLES[at % 6] | NIBBLES[(at >>> 8) % 6] << 4;
  }
  // 2^-10 in BF16.
  const each = scales === undefined ? undefined : new Uint8Array(new Uint16Array(scales / 2).fill(0x3a80).buffer);
  return { ...shape, values: new Uint8Array(halves.buffer), mask: words, scales: each };
}

/** Holds two products against each other. */
async function checkSame(
  backend: Backend,
  x: Parameters<Backend["linear"]>[0],
  one: Weight,
  other: Weight,
): Promise<void> {
  using first = backend.linear(x, one);
  using second = backend.linear(x, other);
  const [a, b] = (await backend.read(first, second)).map(({ buffer }) => new Float32Array(buffer));
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const apart = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
  if (!(apart <= TOLERANCE * largest)) throw new Error(`the products differ by ${apart} of ${largest}`);
}

/** One linear, by one kind of values. */
async function measure(
  backend: Backend,
  { name, tokens, depth, outs }: BenchShape,
  valueType: Extract<ValueType, "F16" | "I8">,
  rounds: number,
): Promise<Ratio> {
  const shape = { rows: outs, cols: depth, valueType, ...valueType === "I8" && { group: GROUP } };
  using x = backend.upload(new Uint8Array(randomFloats(tokens * depth).buffer), tokens, depth, "F32");
  using sparse = backend.uploadPacked(packed({ ...shape, pattern: PATTERN }, outs));
  using full = backend.expand(sparse);
  await checkSame(backend, x, sparse, full);
  const { values, scales } = partBytes({ ...shape, pattern: "dense" });
  using dense = valueType === "F16" ? backend.expand(sparse) : backend.uploadPacked({
    ...shape,
    pattern: "dense",
    values: new Uint8Array(values!).fill(3),
    scales: new Uint8Array(new Uint16Array(scales! / 2).fill(0x3a80).buffer),
  });
  const side = (label: string, weight: Weight): Side => ({
    label,
    unit: "ms",
    async sample() {
      const start = performance.now();
      backend.linear(x, weight)[Symbol.dispose]();
      await backend.read();
      return performance.now() - start;
    },
  });
  const [ours, theirs] = await interleave(rounds, [
    side(`2:4 ${valueType}`, sparse),
    side(`dense ${valueType}`, dense),
  ]);
  return faster(name, ours, theirs, tokens === 1 ? ONE_TOKEN[valueType] : undefined);
}

/** See the file's head. */
export async function benchTable5({ quick, note }: Bench): Promise<Ratio[]> {
  await using backend = await openBackend("wasm");
  const ratios: Ratio[] = [];
  for (const { tokens, rounds, values } of quick ? QUICK : BATCHES) {
    for (const shape of shapes("LLaMA-7B", tokens, quick)) {
      for (const valueType of values) {
        note(`table5: ${shape.name}, ${valueType}`);
        ratios.push(await measure(backend, shape, valueType, rounds));
      }
    }
  }
  return ratios;
}
