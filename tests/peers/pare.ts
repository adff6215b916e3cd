/**
 * Pare itself as others are asked, for text token by token: a process for each model, so that each has a
 * peak of its own. Asked for a prompt's ids and a number of tokens, it writes the likeliest ones and answers with their ids and the
 * seconds that the prompt and the text took, and with the bytes of weights that a token reads.
 *
 *     pare.ts MODEL [WORKERS]
 */
import { Context, generate, openBackend, openCheckpoint, ResidentModel } from "../../src/mod.ts";
import { answer } from "./serve.ts";

const [path, workers] = Deno.args;

await answer(async () => {
  const checkpoint = await openCheckpoint(path);
  const backend = await openBackend("wasm", { workers: workers ? Number(workers) : undefined });
  const model = await ResidentModel.open({ checkpoint, backend });
  return {
    name: "Pare",
    async ask({ ids, tokens }: { readonly ids: readonly number[]; readonly tokens: number }) {
      using context = new Context(model, { sequences: 1, length: ids.length + tokens });
      const written: number[] = [], begun = performance.now();
      let read = begun;
      for await (const { id } of generate(model, [Uint32Array.from(ids)], { tokens, context })) {
        if (!written.length) read = performance.now();
        written.push(id);
      }
      return {
        ids: written,
        promptSeconds: (read - begun) / 1000,
        seconds: (performance.now() - read) / 1000,
        bytesPerToken: model.bytesPerToken,
      };
    },
  };
});
