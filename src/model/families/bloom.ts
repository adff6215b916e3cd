/**
 * BLOOM (Le Scao et al., 2022): ALiBi in place of positions, a norm on the embedding, q, k and v in one linear, head by head,
 * an MLP four times as wide as the residual stream.
 */
import { depth, dimension, positive } from "../config.ts";
import type { BlockSpec } from "../spec.ts";
import type { Family } from "./family.ts";
import { BlockNames, gptHalves, layerNorm, residual } from "./parts.ts";

/** What it was trained on; ALiBi goes further. */
const TRAINED_LENGTH = 2048;

/**
 * ALiBi's slopes (Press et al., 2022, section 3): `2^(-8 i / n)` for a power of two of n heads; for other numbers those of the
 * power of two below, then every other one of those for twice as many. Rounded to f32 where transformers rounds them.
 */
export function alibiSlopes(heads: number): Float32Array {
  const { fround } = Math, below = 2 ** Math.floor(Math.log2(heads));
  const powers = (of: number) => fround(2 ** -(2 ** -(Math.log2(of) - 3)));
  return Float32Array.from(
    { length: heads },
    (_, head) => head < below ? powers(below) ** (head + 1) : powers(2 * below) ** (2 * (head - below) + 1),
  );
}

/** See the file's head. */
export const bloom: Family = {
  modelType: "bloom",
  read(config) {
    config.refuse("apply_residual_connection_post_layernorm", false);
    const hidden = config.or("n_embed", dimension, undefined) ?? config.get("hidden_size", dimension);
    const heads = config.either(["n_head", "num_attention_heads"], dimension);
    const { headDim } = config.checkHeads({ heads, kvHeads: heads, headDim: hidden / heads });
    const blocks = config.either(["n_layer", "num_hidden_layers"], depth);
    const vocabulary = config.get("vocab_size", dimension), inner = 4 * hidden;
    const epsilon = config.or("layer_norm_epsilon", positive, 1e-5);
    const root = config.prefix("word_embeddings.weight", "transformer.");
    const slopes = alibiSlopes(heads);
    const block = (index: number): BlockSpec => {
      const names = new BlockNames(`${root}h.${index}`);
      const { attention, mlp } = gptHalves(names, { hidden, heads, headDim, inner }, {
        names: {
          qkv: "self_attention.query_key_value",
          output: "self_attention.dense",
          up: "mlp.dense_h_to_4h",
          down: "mlp.dense_4h_to_h",
        },
        byHead: true,
        activation: "gelu_tanh",
        stored: { bias: true },
        slopes,
      });
      const [first, second] = ["input_layernorm", "post_attention_layernorm"].map((role) =>
        names.layerNorm(role, hidden, epsilon)
      );
      return { index, name: names.name, layers: [residual(first, attention), residual(second, mlp)] };
    };
    return {
      family: "bloom",
      hidden,
      vocabulary,
      maxLength: config.or("seq_length", dimension, TRAINED_LENGTH),
      embedding: {
        tensor: `${root}word_embeddings.weight`,
        width: hidden,
        norm: layerNorm(`${root}word_embeddings_layernorm`, hidden, epsilon),
      },
      blocks: Array.from({ length: blocks }, (_, index) => block(index)),
      head: {
        norm: layerNorm(`${root}ln_f`, hidden, epsilon),
        ...config.head(true, `${root}word_embeddings.weight`, "lm_head.weight"),
        width: hidden,
      },
    };
  },
};
