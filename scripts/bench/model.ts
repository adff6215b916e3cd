/** What the bench makes up where only shapes matter: a model of random weights, sequences of random tokens. */
import { join } from "node:path";
import { parseConfig } from "../../src/mod.ts";
import { safetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import { modelTensors } from "../../src/model/layers.ts";
import { SMOLLM2_CONFIG } from "./shapes.ts";

/** Of every random number here: the same bench each time. */
const SEED = 0x9e3779b9;

/** Marsaglia's xorshift: the 32 bits after these, fast, good enough for weights that nobody trains. */
function xorshift(state: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  return state ^ state << 5;
}

/** So many times 32 random bits, made into numbers. */
function random<A extends { [at: number]: number }>(
  numbers: A,
  count: number,
  seed: number,
  of: (bits: number) => number,
): A {
  for (let at = 0, state = seed | 1; at < count; at++) {
    state = xorshift(state);
    numbers[at] = of(state >>> 0);
  }
  return numbers;
}

/** F16 numbers between 2^-7 and 2^-5 of either sign, about the size of trained weights. */
function randomWeights(count: number, seed: number): Uint16Array<ArrayBuffer> {
  const SIGN_AND_FRACTION = 0x87ff, EXPONENT = 0x2000;
  return random(new Uint16Array(count), count, seed, (bits) => bits & SIGN_AND_FRACTION | EXPONENT);
}

/** F32 numbers in [-1, 1). */
export function randomFloats(count: number): Float32Array<ArrayBuffer> {
  return random(new Float32Array(count), count, SEED, (bits) => bits / 2 ** 31 - 1);
}

/** A tensor to be written; its numbers are made when it is its turn. */
interface Content {
  readonly name: string;
  readonly dtype: "F16" | "I32";
  readonly shape: readonly number[];
  make(): Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
}

/** Bytes of a number. */
const WIDTH = { F16: 2, I32: 4 } as const;

const sizeOf = ({ shape }: Pick<Content, "shape">) => shape.reduce((product, size) => product * size);

async function writeSafetensors(path: string, tensors: readonly Content[]): Promise<void> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const { header, entries } = safetensorsHeader(
    tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape, bytes: WIDTH[dtype] * sizeOf({ shape }) })),
  );
  using file = await Deno.create(path);
  const write = async ({ buffer }: { readonly buffer: ArrayBuffer }) => {
    for (let rest = new Uint8Array(buffer); rest.length;) rest = rest.subarray(await file.write(rest));
  };
  await write(header);
  for (const { name } of entries) await write(byName.get(name)!.make());
}

/** 1 in F16: the gain of a norm that changes nothing. */
const ONE = 0x3c00;

/** Writes a model of a config's shape with so many blocks into a directory, a tensor at a time. */
export async function writeRandomModel(
  directory: string,
  blocks: number,
  shape: Readonly<Record<string, unknown>> = SMOLLM2_CONFIG,
): Promise<void> {
  const config = { ...shape, num_hidden_layers: blocks };
  const tensors = modelTensors(parseConfig(config, directory)).map(({ name, shape }, at): Content => {
    const count = sizeOf({ shape });
    const make = () => shape.length === 1 ? new Uint16Array(count).fill(ONE) : randomWeights(count, SEED + at);
    return { name, dtype: "F16", shape, make };
  });
  await Deno.writeTextFile(join(directory, "config.json"), JSON.stringify(config));
  await writeSafetensors(join(directory, "model.safetensors"), tensors);
}

/** Random token ids below the vocabulary's size. */
export function randomTokens(sequences: number, length: number, vocabulary: number): Uint32Array<ArrayBuffer> {
  const count = sequences * length;
  return random(new Uint32Array(count), count, SEED, (bits) => bits % vocabulary);
}

/** Writes token ids as `deno task prune --calibration` takes them. */
export async function writeTokens(path: string, data: Uint32Array<ArrayBuffer>, length: number): Promise<void> {
  await writeSafetensors(
    path,
    [{ name: "calibration", dtype: "I32", shape: [data.length / length, length], make: () => data }],
  );
}
