/** Text from a model whose zeros are not stored: what a token takes, of each model that is compared. */
import {
  type Backend,
  Context,
  createWriter,
  generate,
  linearsOf,
  openCheckpoint,
  packedBytesOf,
  patternName,
  planPacking,
  readSpec,
  ResidentModel,
  transposedTensors,
} from "../../mod.ts";
import type { Decoding } from "../../report/results.ts";

/** Tokens of the prompt, which are the vocabulary's first ones; of each text; and texts, whose first only warms up. */
const PROMPT = 8, TOKENS = 32, TEXTS = 4;

/**
 * Packs a model, opens it and writes with it.
 * @param path The model, dense.
 * @param passing A directory that is made for it and removed.
 */
export async function decodeAt(
  path: string,
  passing: string,
  { backend, signal }: { readonly backend: Backend; readonly signal: AbortSignal },
): Promise<Decoding> {
  await using dense = await openCheckpoint(path);
  const spec = readSpec(dense), linears = new Set(spec.blocks.flatMap(linearsOf).map(({ name }) => `${name}.weight`));
  const plan = await planPacking(dense, {
    choose: (name) => linears.has(name) ? "kept" : undefined,
    transposed: transposedTensors(spec),
    signal,
  });
  const packedBytes = [...dense.tensors.values()].reduce((sum, { name, bytes }) => {
    const packed = plan.packed.get(name);
    return sum + (packed ? packedBytesOf(packed) : bytes);
  }, 0);
  const kinds = [...linears].map((name) => {
    const { valueType, pattern } = plan.packed.get(name) ??
      { valueType: dense.tensors.get(name)!.dtype, pattern: "dense" as const };
    return `${valueType} ${patternName(pattern)}`;
  });
  const write = async (model: string) => ({
    ...await speedOf(model, backend, signal),
    packedBytes,
    kinds: [...new Set(kinds)],
  });
  if (!plan.packed.size) return await write(path);
  await using _removed = { [Symbol.asyncDispose]: () => Deno.remove(passing, { recursive: true }) };
  {
    await using writer = await createWriter(plan.checkpoint, passing);
    await plan.write(writer);
    await writer.finish();
  }
  return await write(passing);
}

/** Writes some texts. */
async function speedOf(
  path: string,
  backend: Backend,
  signal: AbortSignal,
): Promise<Pick<Decoding, "tokensPerSecond" | "bytesPerToken">> {
  await using checkpoint = await openCheckpoint(path);
  using model = await ResidentModel.open({ checkpoint, backend, signal });
  const prompt = Uint32Array.from({ length: PROMPT }, (_, i) => i % model.spec.vocabulary), rates: number[] = [];
  const length = Math.min(PROMPT + TOKENS, model.spec.maxLength), tokens = length - PROMPT;
  for (let text = 0; text < TEXTS; text++) {
    using context = new Context(model, { sequences: 1, length });
    let begun = 0, written = 0;
    for await (const _ of generate(model, [prompt], { tokens, context, signal })) {
      if (!written++) begun = performance.now();
    }
    if (text) rates.push((written - 1) / (performance.now() - begun) * 1000);
  }
  return { tokensPerSecond: rates.sort((a, b) => a - b)[rates.length >> 1], bytesPerToken: model.bytesPerToken };
}
