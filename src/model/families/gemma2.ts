/**
 * Gemma 2 (Gemma Team, 2024): RMS norms of 1 + w before and after both halves of a block, sliding and full attention in turn,
 * soft caps on scores and logits, an embedding scaled by the root of its width.
 */
import { positive } from "../config.ts";
import type { Family } from "./family.ts";
import { gemmaModel } from "./gemma.ts";
import { readWidths } from "./parts.ts";

/** See the file's head. */
export const gemma2: Family = {
  modelType: "gemma2",
  read(config) {
    const widths = readWidths(config, { maxLength: 8192, headDim: 256, kvHeads: 4 });
    const rope = config.rope(widths.headDim, widths.maxLength);
    const softCap = config.nullable("attn_logit_softcapping", positive, 50);
    return gemmaModel(config, widths, {
      full: rope,
      sliding: rope,
      slides: (index) => index % 2 === 0,
      attention: () => ({ softCap }),
      softCap: config.nullable("final_logit_softcapping", positive, 30),
    });
  },
};
