/**
 * Gemma 3 (Gemma Team, 2025), its text models: as Gemma 2 without the caps, with norms of 1 + w on q and k, and another
 * rotary base in the sliding blocks, of which every sixth or so is a full one.
 */
import { dimension, positive } from "../config.ts";
import type { Family } from "./family.ts";
import { gemmaModel } from "./gemma.ts";
import { readWidths } from "./parts.ts";

/** See the file's head. */
export const gemma3: Family = {
  modelType: "gemma3_text",
  read(config) {
    const widths = readWidths(config, { maxLength: 131072, headDim: 256, kvHeads: 4 }), { headDim, epsilon } = widths;
    const full = config.rope(widths.headDim, widths.maxLength, config.ropeConfig("full_attention"), { base: 1e6 });
    // transformers 4 scales the full blocks only, and has a key of its own for the base of the others.
    const sliding = config.rope(
      widths.headDim,
      widths.maxLength,
      config.hasRopeParameters
        ? config.ropeConfig("sliding_attention")
        : { rope_theta: config.or("rope_local_base_freq", positive, 10000) },
      { base: 10000 },
    );
    const pattern = config.either(["sliding_window_pattern", "_sliding_window_pattern"], dimension, 6);
    return gemmaModel(config, widths, {
      full,
      sliding,
      slides: (index) => (index + 1) % pattern !== 0,
      attention: (block) => ({
        queryNorm: block.rms("self_attn.q_norm", headDim, epsilon, true),
        keyNorm: block.rms("self_attn.k_norm", headDim, epsilon, true),
      }),
      softCap: config.or("final_logit_softcapping", positive, undefined),
    });
  },
};
