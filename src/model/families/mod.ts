/** The model families that Pare knows. A new one is a file and a line here. */
import { bloom } from "./bloom.ts";
import { cohere } from "./cohere.ts";
import type { Family } from "./family.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gpt2 } from "./gpt2.ts";
import { gptNeox } from "./gpt_neox.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { mixtral } from "./mixtral.ts";
import { olmo2 } from "./olmo2.ts";
import { opt } from "./opt.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { qwen3Moe } from "./qwen3_moe.ts";
import { smollm3 } from "./smollm3.ts";

/** Every family, by the `model_type` of its configs. */
export const FAMILIES: ReadonlyMap<string, Family> = new Map(
  [
    ...[llama, mistral, qwen2, qwen3, smollm3, olmo2, phi3, gemma2, gemma3, cohere],
    ...[mixtral, qwen3Moe],
    ...[opt, gptNeox, bloom, gpt2],
  ].map((family) => [family.modelType, family]),
);
