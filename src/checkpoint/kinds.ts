/**
 * What a thing is that was given for a model and is none that Pare can prune: the pointer of a git-lfs clone, a quantised
 * checkpoint, an adapter without its base, weights in a pickle. Each is told by name, with what to do about it.
 */
import { PareError } from "../errors.ts";
import { quote } from "./quote.ts";

/** What a pointer begins with (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md). */
const POINTER = new TextEncoder().encode("version https://git-lfs.github.com/spec/v1");

/** A pointer is shorter, by its specification. */
export const LONGEST_POINTER = 1024;

/**
 * Refuses what stands in the place of a file that git-lfs has not fetched.
 * @param bytes The file, or its beginning.
 * @throws PareError if it is a pointer.
 */
export function refusePointer(bytes: Uint8Array, path: string): void {
  if (POINTER.some((byte, i) => bytes[i] !== byte)) return;
  const [, size] = /^size (\d+)$/m.exec(new TextDecoder().decode(bytes.subarray(0, LONGEST_POINTER))) ?? [];
  const real = size === undefined ? "" : ` (of ${size} bytes)`;
  throw new PareError(`${path} is a git-lfs pointer, not the file itself${real}: run git lfs pull in its repository`);
}

/** Tensors that stand in the place of a weight, by how it was quantised; of two that fit, the first. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  gptq: ["qweight", "scales", "g_idx"],
  awq: ["qweight", "qzeros", "scales"],
};
/** One of those that bitsandbytes puts beside a weight, of four bits and of eight. */
const BITSANDBYTES = /^(absmax|quant_map|bitsandbytes__\w+|SCB)$/;
/** Masks and positions, which some files hold as integers: no weight is called so. */
const BUFFER = /\.(bias|masked_bias|position_ids)$/;
/** How the methods write themselves. */
const SPELLED: Readonly<Record<string, string>> = {
  gptq: "GPTQ",
  awq: "AWQ",
  bitsandbytes: "bitsandbytes",
  fp8: "FP8",
};

/** A tensor as far as it tells of a quantisation. */
interface Held {
  readonly name: string;
  readonly dtype: string;
}

/**
 * Refuses a checkpoint whose weights are quantised; one whose config only says so and whose weights are floats is none.
 * @throws PareError naming the method, and what to give instead.
 */
export function refuseQuantised(
  path: string,
  config: Readonly<Record<string, unknown>>,
  tensors: Iterable<Held>,
): void {
  const ends = new Set<string>();
  let packed: Held | undefined;
  for (const tensor of tensors) {
    for (const part of tensor.name.split(".").slice(-2)) ends.add(part);
    if (!/^(F|BF)(16|32|64)$/.test(tensor.dtype) && !BUFFER.test(tensor.name)) packed ??= tensor;
  }
  if (!packed) return;
  const said = config.quantization_config as Record<string, unknown> | undefined;
  const method = said
    ? String(said.quant_method ?? (said.load_in_4bit ?? said.load_in_8bit ? "bitsandbytes" : "?"))
    : guess(ends);
  if (method === undefined) return;
  const bits = Number(said?.bits ?? said?.w_bit ?? (said?.load_in_4bit ? 4 : said?.load_in_8bit ? 8 : NaN));
  throw new PareError(
    `${path} is quantised by ${SPELLED[method] ?? quote(method)}${bits ? ` to ${bits} bits` : ""} (tensor ${
      quote(packed.name)
    } is ${packed.dtype}); Pare prunes weights that are numbers (F32, F16, BF16): give the model that it was made from`,
  );
}

/** The method by its tensors alone: some checkpoints keep what they are in a file of their own. */
function guess(ends: ReadonlySet<string>): string | undefined {
  for (const [method, parts] of Object.entries(PARTS)) if (parts.every((part) => ends.has(part))) return method;
  return [...ends].some((end) => BITSANDBYTES.test(end)) ? "bitsandbytes" : undefined;
}

/** PEFT's two files. */
const ADAPTER = /^adapter_(config\.json|model\.(safetensors|bin))$/;
/** Weights that are Python objects: to read them is to run them. */
const PICKLED = /\.(bin|pth|pt|ckpt|pkl)$/i;

/**
 * Why a directory without weights in safetensors is no model, and what to do; undefined if nothing is known.
 * @param names Its files.
 * @param base The model that an adapter is for, if it says.
 */
export function withoutWeights(path: string, names: readonly string[], base?: string): string | undefined {
  if (names.some((name) => ADAPTER.test(name))) {
    const named = base ? ` ${quote(base)}` : "";
    return `${path} is an adapter alone (PEFT), without the model${named} that it changes: merge the two ` +
      "(merge_and_unload of peft) and give the result";
  }
  const ggufs = names.filter((name) => /\.gguf$/i.test(name));
  if (ggufs.length > 1) {
    return `${path} holds ${ggufs.length} GGUF files and no weights in safetensors: give one of them, such as ${
      quote(ggufs[0])
    }, by its own path`;
  }
  const pickled = names.find((name) => PICKLED.test(name) && !/^(training_args|optimizer|scheduler)\b/.test(name));
  if (pickled) {
    return `${path} holds its weights in ${quote(pickled)}, a pickle, which runs code when it is read; Pare reads ` +
      "safetensors: load it with transformers and save it again (save_pretrained)";
  }
}
