/** GGUF files for the tests, written out byte by byte from the format's description. */

import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { temporary } from "./folders.ts";

/** A value of the metadata with its type. */
export type Typed =
  | readonly ["u32" | "i32" | "f32" | "u64" | "bool", number]
  | readonly ["string", string]
  | readonly ["strings", readonly string[]]
  | readonly ["i32s" | "f32s", readonly number[]]
  | readonly ["raw", type: number, bytes: Uint8Array];

/** A tensor; its shape rows first. */
export interface TensorBytes {
  readonly name: string;
  readonly format: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** Where it says that it begins, if that is not true. */
  readonly offset?: number;
}

/** What a file says of itself; each has its true value unless given. */
export interface Lies {
  readonly magic?: string;
  readonly version?: number;
  readonly tensors?: bigint;
  readonly keys?: bigint;
}

const ALIGNMENT = 32;

/** The bytes of a GGUF file. */
export function ggufFile(
  metadata: Readonly<Record<string, Typed>>,
  tensors: readonly TensorBytes[],
  lies: Lies = {},
): Uint8Array<ArrayBuffer> {
  const out: Uint8Array[] = [];
  const number = (type: "u32" | "i32" | "f32" | "u64", value: number | bigint) => {
    const view = new DataView(new ArrayBuffer(type === "u64" ? 8 : 4));
    if (type === "u32") view.setUint32(0, Number(value), true);
    if (type === "i32") view.setInt32(0, Number(value), true);
    if (type === "f32") view.setFloat32(0, Number(value), true);
    if (type === "u64") view.setBigUint64(0, BigInt(value), true);
    out.push(new Uint8Array(view.buffer));
  };
  const string = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    number("u64", bytes.length);
    out.push(bytes);
  };

  out.push(new TextEncoder().encode(lies.magic ?? "GGUF"));
  number("u32", lies.version ?? 3);
  number("u64", lies.tensors ?? tensors.length);
  number("u64", lies.keys ?? Object.keys(metadata).length);
  const TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10 };
  for (const [key, typed] of Object.entries(metadata)) {
    string(key);
    if (typed[0] === "raw") {
      number("u32", typed[1]);
      out.push(typed[2]);
    } else if (typed[0] === "strings" || typed[0] === "i32s" || typed[0] === "f32s") {
      const [kind, values] = typed;
      const inner = kind.slice(0, -1) as "string" | "i32" | "f32";
      number("u32", 9);
      number("u32", TYPES[inner]);
      number("u64", values.length);
      for (const value of values) inner === "string" ? string(value as string) : number(inner, value as number);
    } else {
      number("u32", TYPES[typed[0]]);
      if (typed[0] === "string") string(typed[1]);
      else if (typed[0] === "bool") out.push(Uint8Array.of(typed[1]));
      else number(typed[0], typed[1] as number);
    }
  }
  let offset = 0;
  for (const { name, format, shape, bytes, offset: claimed } of tensors) {
    string(name);
    number("u32", shape.length);
    for (const dimension of shape.toReversed()) number("u64", dimension);
    number("u32", format);
    number("u64", claimed ?? offset);
    offset += Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT;
  }
  const pad = (length: number) => out.push(new Uint8Array((ALIGNMENT - length % ALIGNMENT) % ALIGNMENT));
  pad(out.reduce((sum, { length }) => sum + length, 0));
  for (const { bytes } of tensors) {
    out.push(bytes);
    pad(bytes.length);
  }
  const file = new Uint8Array(out.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of out) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** The metadata of a model of one block: hidden 8, 2 heads of 4, 1 kv head, MLP 12, with a tokenizer of four pieces. */
export const TINY: Readonly<Record<string, Typed>> = {
  "general.architecture": ["string", "llama"],
  "llama.block_count": ["u32", 1],
  "llama.context_length": ["u32", 64],
  "llama.embedding_length": ["u32", 8],
  "llama.feed_forward_length": ["u32", 12],
  "llama.attention.head_count": ["u32", 2],
  "llama.attention.head_count_kv": ["u32", 1],
  "llama.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
  "llama.rope.freq_base": ["f32", 10000],
  "tokenizer.ggml.model": ["string", "gpt2"],
  "tokenizer.ggml.pre": ["string", "smollm"],
  "tokenizer.ggml.tokens": ["strings", ["<|end|>", "a", "b", "ab"]],
  "tokenizer.ggml.token_type": ["i32s", [3, 1, 1, 1]],
  "tokenizer.ggml.merges": ["strings", ["a b"]],
  "tokenizer.ggml.bos_token_id": ["u32", 0],
  "tokenizer.ggml.eos_token_id": ["u32", 0],
};

/** Numbers of GGML's formats. */
export const [F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16] = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30];

/** A tensor of F32 whose values count up from `from`, so that each can be told from the others after any reordering. */
export function counting(name: string, shape: readonly number[], from = 0): TensorBytes {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i);
  return { name, format: F32, shape, bytes: new Uint8Array(values.buffer) };
}

/** The tensors of the model of {@linkcode TINY}. */
export const TINY_TENSORS: readonly TensorBytes[] = [
  counting("token_embd.weight", [4, 8]),
  counting("output_norm.weight", [8], 100),
  counting("blk.0.attn_norm.weight", [8], 200),
  counting("blk.0.attn_q.weight", [8, 8], 300),
  counting("blk.0.attn_k.weight", [4, 8], 400),
  counting("blk.0.attn_v.weight", [4, 8], 500),
  counting("blk.0.attn_output.weight", [8, 8], 600),
  counting("blk.0.ffn_norm.weight", [8], 700),
  counting("blk.0.ffn_gate.weight", [12, 8], 800),
  counting("blk.0.ffn_up.weight", [12, 8], 900),
  counting("blk.0.ffn_down.weight", [8, 12], 1000),
];

/** The metadata of {@linkcode TINY} without one key. */
export function without(key: string): Record<string, Typed> {
  return Object.fromEntries(Object.entries(TINY).filter(([each]) => each !== key));
}

/** Opens a file of these parts and hands the checkpoint on. */
export async function opened<T>(
  metadata: Readonly<Record<string, Typed>>,
  tensors: readonly TensorBytes[],
  use: (checkpoint: Checkpoint, folder: string) => Promise<T>,
): Promise<T> {
  using folder = temporary();
  Deno.writeFileSync(`${folder.path}/m.gguf`, ggufFile(metadata, tensors));
  await using checkpoint = await openGguf(`${folder.path}/m.gguf`);
  return await use(checkpoint, folder.path);
}
