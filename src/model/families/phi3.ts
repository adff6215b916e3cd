/**
 * Phi-3 and Phi-3.5 (Abdin et al., 2024): LLaMA with q, k and v in one linear, gate and up in another, a part of each head
 * rotated in some models, and LongRoPE in those for 128 k tokens.
 */
import { dimension } from "../config.ts";
import type { Family } from "./family.ts";
import { llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const phi3: Family = {
  modelType: "phi3",
  read(config) {
    const widths = readWidths(config, { maxLength: 4096, epsilon: 1e-5 });
    const { hidden, heads, kvHeads, headDim, intermediate, epsilon } = widths;
    const keys = config.ropeConfig(), kind = keys.rope_type ?? keys.type;
    // Old configs call longrope "su" or, by mistake, "yarn".
    const rope = config.rope(headDim, widths.maxLength, {
      ...keys,
      original_max_position_embeddings: config.or("original_max_position_embeddings", dimension, 4096),
      ...kind === "su" || kind === "yarn" ? { rope_type: "longrope" } : {},
    });
    const window = config.or("sliding_window", dimension, undefined);
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block) => [
      residual(block.rms("input_layernorm", hidden, epsilon), {
        kind: "attention",
        heads,
        kvHeads,
        headDim,
        projections: {
          kind: "fused",
          qkv: block.linear("self_attn.qkv_proj", (heads + 2 * kvHeads) * headDim, hidden),
          byHead: false,
        },
        output: block.linear("self_attn.o_proj", hidden, heads * headDim),
        rope,
        scale: 1 / Math.sqrt(headDim),
        window,
      }),
      residual(block.rms("post_attention_layernorm", hidden, epsilon), {
        kind: "mlp",
        input: { kind: "fused", gateUp: block.linear("mlp.gate_up_proj", 2 * intermediate, hidden) },
        activation,
        down: block.linear("mlp.down_proj", hidden, intermediate),
      }),
    ], { maxLength: longest(widths.maxLength, rope) });
  },
};
