/**
 * Adapters as PEFT keeps them (Hugging Face's `peft`, `LoraConfig` and `PeftModel.save_pretrained`): `adapter_config.json` and
 * `adapter_model.safetensors` in a directory. `PeftModel.from_pretrained(base, directory)` loads them.
 *
 * PEFT adds `alpha / rank * B A` to every weight, a removed one too. Adapters that were trained under a mask compute what they
 * were trained to compute only with it: the merged model has it, and `masks.safetensors` beside the adapters.
 */
import { join } from "node:path";
import { openFile } from "../checkpoint/file.ts";
import { readSafetensors } from "../checkpoint/safetensors.ts";
import type { MemoryTensor } from "../checkpoint/tensor_file.ts";
import { PareError } from "../errors.ts";
import type { ModelSpec } from "../model/spec.ts";
import { linearsOf } from "../model/layers.ts";
import type { LoraAdapters } from "./lora.ts";

/** The names of the files of an adapter's directory. */
export const ADAPTER_CONFIG = "adapter_config.json", ADAPTER_MODEL = "adapter_model.safetensors";

/** What PEFT puts before a module's name. */
const PREFIX = "base_model.model.";

/** What stands in `adapter_config.json` beside the adapters' own numbers. */
export interface PeftAbout {
  /** The model that they are for: a path, or an id on the Hub. */
  readonly base: string;
  /** Rows of A. */
  readonly rank: number;
  /** What their product is multiplied by, times the rank. */
  readonly alpha: number;
  /** The share of inputs that training left out. */
  readonly dropout: number;
}

/**
 * How PEFT finds the modules: by the last part of their names where all modules that end so are meant, else by whole names.
 */
export function targetModules(spec: ModelSpec, names: readonly string[]): string[] {
  const last = (name: string) => name.slice(name.lastIndexOf(".") + 1);
  const ends = new Set(names.map(last)), all = spec.blocks.flatMap(linearsOf);
  const meant = all.filter(({ name }) => ends.has(last(name)));
  return meant.length === names.length ? [...ends].sort() : [...names].sort();
}

/** The text of `adapter_config.json`. */
export function peftConfig(adapters: LoraAdapters, spec: ModelSpec, { base, rank, alpha, dropout }: PeftAbout): string {
  const linears = adapters.adapters.map(({ linear }) => linear);
  return JSON.stringify(
    {
      base_model_name_or_path: base,
      bias: "none",
      fan_in_fan_out: linears.some(({ transposed }) => transposed),
      inference_mode: true,
      init_lora_weights: true,
      lora_alpha: alpha,
      lora_dropout: dropout,
      modules_to_save: null,
      peft_type: "LORA",
      r: rank,
      target_modules: targetModules(spec, linears.map(({ name }) => name)),
      task_type: "CAUSAL_LM",
      use_dora: false,
      use_rslora: false,
    },
    undefined,
    2,
  ) + "\n";
}

/** The tensors of `adapter_model.safetensors`. */
export function peftTensors(adapters: LoraAdapters): MemoryTensor[] {
  return adapters.parameters.map(({ name, rows, cols, weight }) => ({
    name: `${PREFIX}${name}`,
    dtype: "F32",
    shape: [rows, cols],
    bytes: new Uint8Array(weight.buffer),
  }));
}

/**
 * Takes adapters from a directory, to go on with.
 * @throws PareError if they are of other linears, of another rank, or not F32.
 */
export async function readPeft(directory: string, adapters: LoraAdapters): Promise<void> {
  const path = join(directory, ADAPTER_MODEL);
  await using file = await openFile(path);
  const { entries, read } = await readSafetensors(file), left = new Set(entries.keys());
  for (const { name, rows, cols, weight } of adapters.parameters) {
    const tensor = `${PREFIX}${name}`, entry = entries.get(tensor);
    const found = entry && `${entry.dtype} of ${entry.shape.join(" x ")}`;
    if (found !== `F32 of ${rows} x ${cols}`) {
      throw new PareError(
        `${path}: the adapter does not fit the model, --targets and --rank: expected ${tensor}, F32 of ${rows} x ${cols}, ` +
          `found ${found ?? "none"}`,
      );
    }
    weight.set(new Float32Array((await read(tensor)).buffer));
    left.delete(tensor);
  }
  for (const tensor of left) {
    throw new PareError(`${path}: the adapter has ${tensor}, which neither q_proj and v_proj nor --targets name`);
  }
}
