/** stories260K (F32, trained on TinyStories) against the published code, where the gate has it. */
import { SHARED } from "./shared.ts";
import { goldenSuite, MOST_IN_PART } from "./suite.ts";

if (SHARED) {
  goldenSuite({
    name: "stories260K",
    model: `${SHARED}/models/stories260K`,
    golden: `${SHARED}/golden/stories260K`,
    cut: { webgpu: MOST_IN_PART },
    updated: { bits: 1e-3, perplexity: 1e-3 },
  });
}
