/**
 * A GGUF file as a {@linkcode Checkpoint}: what people have at hand when they run models with llama.cpp. It looks like
 * the Hugging Face directory that it could be converted to: F16 tensors under transformers' names and in its order of
 * rows, with config.json and the tokenizer rebuilt from the metadata. Nothing is converted ahead; a tensor is
 * dequantised when it is read.
 */
import { PareError } from "../errors.ts";
import { assemble } from "./assemble.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openFile } from "./file.ts";
import { rebuildConfig, rename, ROPE_TENSORS, tokenIds } from "./gguf/families.ts";
import { FORMATS, stored } from "./gguf/formats.ts";
import { type GgufHeader, readGgufHeader } from "./gguf/header.ts";
import { Metadata } from "./gguf/metadata.ts";
import { ropeScaling, type RopeTensors } from "./gguf/rope_scaling.ts";
import { asSafetensors } from "./gguf/shard.ts";
import { rebuildTokenizer, type TokenizerFiles } from "./gguf/tokenizer.ts";
import type { Source } from "./source.ts";

const SHARD = "model.safetensors";

/**
 * Opens a GGUF file.
 * @throws PareError if it is none, is damaged, or holds a model or a format that is not known. A tokenizer that cannot
 * be rebuilt is an error only where `tokenizer.json` is asked for.
 */
export async function openGguf(path: string): Promise<Checkpoint> {
  await using opened = new AsyncDisposableStack();
  const checkpoint = await readGguf(opened.use(await openFile(path)));
  opened.move(); // the checkpoint closes it
  return checkpoint;
}

/**
 * The checkpoint of a GGUF file that is open; it closes the source when it is disposed of.
 * @throws PareError as {@linkcode openGguf}, which leaves the source open.
 */
export async function readGguf(source: Source): Promise<Checkpoint> {
  const path = source.name;
  const header = await readGgufHeader(source);
  const metadata = new Metadata(header.metadata, path);
  if (metadata.number("split.count", 1) > 1) {
    throw metadata.wrong(`it is one part of ${metadata.number("split.count")}; join them by llama-gguf-split --merge`);
  }

  const renamed = rename(header.tensors, metadata);
  const names = new Set(renamed.map(({ name }) => name));
  const embedding = renamed.find(({ tensor }) => tensor.name === "token_embd.weight");
  if (!embedding) throw metadata.wrong(`it has no tensor "token_embd.weight"`);
  const scaling = ropeScaling(metadata, await readRopeTensors(source, header));
  const config = rebuildConfig(metadata, names, embedding.tensor.shape[0], scaling);

  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value, null, 2) + "\n");
  const files = new Map<string, Uint8Array<ArrayBuffer>>([
    ["config.json", json(config)],
    ["generation_config.json", json(tokenIds(metadata))],
  ]);
  const tokenizer = tokenizerOf(metadata);
  if (!(tokenizer instanceof PareError)) {
    files.set("tokenizer.json", json(tokenizer.tokenizer));
    files.set("tokenizer_config.json", json(tokenizer.config));
  }
  return assemble(new Map([[SHARD, asSafetensors(source, renamed)]]), {
    path,
    sources: [path],
    config,
    files: [...files.keys()],
    omitted: [],
    readFile(file) {
      if (file === "tokenizer.json" && tokenizer instanceof PareError) return Promise.reject(tokenizer);
      return Promise.resolve(files.get(file));
    },
  });
}

/** The tokenizer's files, or why there are none. */
function tokenizerOf(metadata: Metadata): TokenizerFiles | PareError {
  try {
    return rebuildTokenizer(metadata);
  } catch (error) {
    if (error instanceof PareError) return error;
    throw error;
  }
}

/** The factors of the rotary frequencies, those that the file has. */
async function readRopeTensors(source: Source, { tensors }: GgufHeader): Promise<RopeTensors> {
  const found: Partial<Record<keyof typeof ROPE_TENSORS, Float32Array>> = {};
  for (const what of Object.keys(ROPE_TENSORS) as (keyof typeof ROPE_TENSORS)[]) {
    const tensor = tensors.find(({ name }) => name === ROPE_TENSORS[what]);
    if (!tensor) continue;
    const factors = found[what] = new Float32Array(tensor.shape[0]);
    FORMATS[tensor.format].decode(stored(await source.read(tensor.offset, tensor.bytes)), 0, factors);
  }
  return found;
}
