/**
 * Cohere's Command R (2024): attention and MLP side by side after one layer norm without bias, so that five linears share an
 * input; neighbouring dimensions turn together; logits are scaled. Command R+ has a norm with a gain for every head of q and k.
 */
import { positive } from "../config.ts";
import type { Norm } from "../spec.ts";
import type { Family } from "./family.ts";
import { gatedMlp, layerNorm, llamaAttention, llamaModel, longest, readWidths, residual } from "./parts.ts";

/** See the file's head. */
export const cohere: Family = {
  modelType: "cohere",
  read(config) {
    const widths = readWidths(config, { maxLength: 8192 }), { hidden, heads, kvHeads, headDim } = widths;
    const epsilon = config.or("layer_norm_eps", positive, 1e-5);
    const rope = config.rope(headDim, widths.maxLength, config.ropeConfig(), { base: 500000, layout: "neighbours" });
    const biased = config.flag("attention_bias"), normed = config.flag("use_qk_norm");
    const activation = config.activation("hidden_act", "silu");
    return llamaModel(config, widths, (block) => {
      const headNorm = (role: string, rows: number): Norm => ({
        ...block.layerNorm(role, headDim, epsilon, false),
        rows,
      });
      const attention = llamaAttention(block, widths, {
        rope,
        qkvBias: biased,
        outputBias: biased,
        ...normed && { queryNorm: headNorm("self_attn.q_norm", heads), keyNorm: headNorm("self_attn.k_norm", kvHeads) },
      });
      const branches = [[attention], [gatedMlp(block, widths, { activation })]];
      return [residual(block.layerNorm("input_layernorm", hidden, epsilon, false), { kind: "parallel", branches })];
    }, {
      tied: true,
      maxLength: longest(widths.maxLength, rope),
      norm: layerNorm("model.norm", hidden, epsilon, false),
      logitScale: config.nullable("logit_scale", positive, 0.0625),
    });
  },
};
