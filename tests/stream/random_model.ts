/**
 * Random LLaMAs of any size, written tensor after tensor, so that a large one takes no memory; and token files to prune
 * them on. The numbers mean nothing, but they are of a trained model's size, so that activations stay finite.
 */
import { rectangle } from "../../src/text/batch.ts";
import { safetensorsFile } from "../checkpoint/safetensors_file.ts";

/** The size of a model. All of it is F16, the head tied. */
export interface RandomModel {
  readonly blocks: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
}

/** F16 from 2^-8 to 2^-4: the exponents 7 to 10 (bias 15), any sign, any fraction. */
const SIGN_AND_FRACTION = 0x83ff, LEAST_EXPONENT = 7, EXPONENTS = 3;
/** 1 as F16, for the gains of norms. */
const ONE = 0x3c00;

/** Random F16 weights, by xorshift (Marsaglia, 2003). */
function randomWeights(count: number, seed: number): Uint8Array {
  const words = new Uint16Array(count);
  let state = seed * 2654435761 | 1;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state & SIGN_AND_FRACTION | LEAST_EXPONENT + (state >>> 26 & EXPONENTS) << 10;
  }
  return new Uint8Array(words.buffer);
}

/** Every tensor of a model, by its name. */
function shapesOf({ blocks, hidden, intermediate, heads, kvHeads, vocabulary }: RandomModel): [string, number[]][] {
  const kv = kvHeads * hidden / heads;
  const block: [string, number[]][] = [
    ["input_layernorm", [hidden]],
    ["self_attn.q_proj", [hidden, hidden]],
    ["self_attn.k_proj", [kv, hidden]],
    ["self_attn.v_proj", [kv, hidden]],
    ["self_attn.o_proj", [hidden, hidden]],
    ["post_attention_layernorm", [hidden]],
    ["mlp.gate_proj", [intermediate, hidden]],
    ["mlp.up_proj", [intermediate, hidden]],
    ["mlp.down_proj", [hidden, intermediate]],
  ];
  return [
    ["model.embed_tokens.weight", [vocabulary, hidden]],
    ["model.norm.weight", [hidden]],
    ...Array.from({ length: blocks }, (_, b) =>
      block.map(([name, shape]): [string, number[]] => [
        `model.layers.${b}.${name}.weight`,
        shape,
      ])).flat(),
  ];
}

/** Writes a model into a new directory. */
export async function writeRandomModel(path: string, model: RandomModel): Promise<void> {
  await Deno.mkdir(path);
  await Deno.writeTextFile(
    `${path}/config.json`,
    JSON.stringify({
      model_type: "llama",
      hidden_size: model.hidden,
      intermediate_size: model.intermediate,
      num_hidden_layers: model.blocks,
      num_attention_heads: model.heads,
      num_key_value_heads: model.kvHeads,
      vocab_size: model.vocabulary,
      tie_word_embeddings: true,
      torch_dtype: "float16",
    }),
  );
  const shapes = shapesOf(model), count = (shape: number[]) => shape.reduce((a, b) => a * b);
  let end = 0;
  const header = Object.fromEntries(shapes.map(([name, shape]) => [name, {
    dtype: "F16",
    shape,
    data_offsets: [end, end += 2 * count(shape)],
  }]));
  using file = await Deno.open(`${path}/model.safetensors`, { write: true, create: true });
  const write = async (bytes: Uint8Array) => {
    while (bytes.length) bytes = bytes.subarray(await file.write(bytes));
  };
  await write(safetensorsFile(header, 0));
  for (const [seed, [, shape]] of shapes.entries()) {
    const gain = shape.length === 1;
    await write(gain ? new Uint8Array(new Uint16Array(shape[0]).fill(ONE).buffer) : randomWeights(count(shape), seed));
  }
}

/** Random token ids below `vocabulary`, always the same. */
export function randomTokens(sequences: number, length: number, vocabulary: number) {
  // A multiplicative generator (Lehmer, 1951, with Park and Miller's constants).
  let state = 1 + sequences;
  const ids = Uint32Array.from({ length: sequences * length }, () => (state = state * 48271 % 0x7fffffff) % vocabulary);
  return { ...rectangle(ids, length), sequences, length };
}

/** Writes token ids as a safetensors file that holds the I32 matrix `name`. */
export async function writeTokens(
  path: string,
  name: string,
  { ids, sequences, length }: ReturnType<typeof randomTokens>,
): Promise<void> {
  const header = { [name]: { dtype: "I32", shape: [sequences, length], data_offsets: [0, 4 * ids.length] } };
  await Deno.writeFile(path, safetensorsFile(header, new Uint8Array(ids.buffer)));
}
