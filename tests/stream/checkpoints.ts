/** Checkpoints that are watched or broken: every read of a source is written down, and may be made to fail. */
import { assemble } from "../../src/checkpoint/assemble.ts";
import type { Checkpoint, TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { openFile } from "../../src/checkpoint/file.ts";
import { readSafetensors } from "../../src/checkpoint/safetensors.ts";
import type { Source } from "../../src/checkpoint/source.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";

/** One read of a source. */
export interface Read {
  readonly offset: number;
  readonly length: number;
}

/** A checkpoint, and what was read of it beyond its header so far. */
export interface Watched extends AsyncDisposable {
  readonly checkpoint: Checkpoint;
  readonly reads: Read[];
  /** The tensors of which bytes were read, in the order of the first read of each. */
  readonly touched: () => string[];
}

/** The model directories that come with the repository. */
export const MODELS = new URL("../fixtures/models", import.meta.url).pathname;

/**
 * Opens a model of one shard and watches it.
 * @param fail Called with the name of each tensor that a read reaches; what it throws the read fails with.
 */
export async function watch(model: string, fail: (tensor: string) => void = () => {}): Promise<Watched> {
  const path = `${MODELS}/${model}`, file = await openFile(`${path}/model.safetensors`), reads: Read[] = [];
  let watching = false;
  const overlaps = ({ offset, bytes }: TensorInfo, read: Read) =>
    offset < read.offset + read.length && read.offset < offset + bytes;
  const source: Source = {
    name: file.name,
    size: file.size,
    async read(offset, length) {
      if (watching) {
        reads.push({ offset, length });
        const hit = [...checkpoint.tensors.values()].filter((info) => overlaps(info, { offset, length }));
        // As a disk does: not at once.
        await Promise.resolve();
        for (const { name } of hit) fail(name);
      }
      return await file.read(offset, length);
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
  const shard = { source, ...await readSafetensors(source) };
  const checkpoint = assemble(new Map([["model.safetensors", shard]]), {
    path,
    sources: [file.name],
    config: JSON.parse(await Deno.readTextFile(`${path}/config.json`)),
    files: [],
    omitted: [],
    readFile: () => Promise.resolve(undefined),
  });
  watching = true;
  return {
    checkpoint,
    reads,
    touched: () => [
      ...new Set(
        reads.flatMap((read) =>
          [...checkpoint.tensors.values()].filter((info) => overlaps(info, read)).map(({ name }) => name)
        ),
      ),
    ],
    [Symbol.asyncDispose]: () => checkpoint[Symbol.asyncDispose](),
  };
}

/** A checkpoint in which the bytes of some tensors are others. */
export function overlay(checkpoint: Checkpoint, weights: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Checkpoint {
  return {
    ...checkpoint,
    read: async (names) =>
      new Map([...await checkpoint.read(names)].map(([name, bytes]) => [name, weights.get(name)?.slice() ?? bytes])),
  };
}

/** A Mixtral whose routers send each token to one expert, and none to expert 1. */
export function withoutExpert(checkpoint: Checkpoint): Checkpoint {
  const routers = /\.block_sparse_moe\.gate\.weight$/;
  return {
    ...checkpoint,
    config: { ...checkpoint.config, num_experts_per_tok: 1 },
    async read(names) {
      const found = await checkpoint.read(names);
      for (const [name, bytes] of found) {
        if (!routers.test(name)) continue;
        // Expert 1 has the logit of expert 0, and a tie goes to the lower; with one expert a token it never wins.
        const { dtype, shape: [, cols] } = checkpoint.tensors.get(name)!, values = toFloats(bytes, dtype);
        values.copyWithin(cols, 0, cols);
        found.set(name, fromFloats(values, dtype));
      }
      return found;
    },
  };
}
