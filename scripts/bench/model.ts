/** What the bench makes up where only shapes matter: a model of random weights, sequences of random tokens. */
import { join } from "node:path";
import { parseConfig } from "../../src/mod.ts";
import { modelTensors } from "../../src/model/layers.ts";
import { SMOLLM2_CONFIG } from "./shapes.ts";

/** Of every random number here: the same bench each time. */
const SEED = 0x9e3779b9;

/** Marsaglia's xorshift: 32 bits at a time, fast, good enough for weights that nobody trains. */
function* randomBits(seed: number): Generator<number, never> {
  for (let state = seed | 1;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state >>> 0;
  }
}

/** F16 numbers between 2^-7 and 2^-5 of either sign, about the size of trained weights. */
function randomWeights(count: number, seed: number): Uint16Array<ArrayBuffer> {
  const bits = randomBits(seed), SIGN_AND_FRACTION = 0x87ff, EXPONENT = 0x2000;
  return Uint16Array.from({ length: count }, () => bits.next().value & SIGN_AND_FRACTION | EXPONENT);
}

/** F32 numbers in [-1, 1). */
export function randomFloats(count: number): Float32Array<ArrayBuffer> {
  const bits = randomBits(SEED);
  return Float32Array.from({ length: count }, () => bits.next().value / 2 ** 31 - 1);
}

/** A tensor to be written. */
interface Content {
  readonly dtype: "F16" | "I32";
  readonly shape: readonly number[];
  readonly data: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
}

async function writeSafetensors(path: string, tensors: ReadonlyMap<string, Content>): Promise<void> {
  let end = 0;
  const entries = [...tensors].map(([name, { dtype, shape, data }]) => {
    const begin = end;
    return [name, { dtype, shape, data_offsets: [begin, end += data.byteLength] }];
  });
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const length = new BigUint64Array([BigInt(header.length)]);
  await Deno.writeFile(path, new Blob([length, header, ...[...tensors.values()].map(({ data }) => data)]).stream());
}

/** 1 in F16: the gain of a norm that changes nothing. */
const ONE = 0x3c00;

/** Writes a model of SmolLM2-135M's shape with fewer blocks into a directory. */
export async function writeRandomModel(directory: string, blocks: number): Promise<void> {
  const config = { ...SMOLLM2_CONFIG, num_hidden_layers: blocks };
  const tensors = new Map<string, Content>();
  const add = (name: string, shape: readonly number[]) => {
    const count = shape.reduce((product, size) => product * size);
    const data = shape.length === 1 ? new Uint16Array(count).fill(ONE) : randomWeights(count, SEED + tensors.size);
    tensors.set(name, { dtype: "F16", shape, data });
  };
  for (const { name, shape } of modelTensors(parseConfig(config, directory))) add(name, shape);
  await Deno.writeTextFile(join(directory, "config.json"), JSON.stringify(config));
  await writeSafetensors(join(directory, "model.safetensors"), tensors);
}

/** Random token ids below the vocabulary's size. */
export function randomTokens(sequences: number, length: number, vocabulary: number): Uint32Array<ArrayBuffer> {
  const bits = randomBits(SEED);
  return Uint32Array.from({ length: sequences * length }, () => bits.next().value % vocabulary);
}

/** Writes token ids as `deno task prune --calibration` takes them. */
export async function writeTokens(path: string, data: Uint32Array<ArrayBuffer>, length: number): Promise<void> {
  await writeSafetensors(
    path,
    new Map([["calibration", { dtype: "I32", shape: [data.length / length, length], data }]]),
  );
}
