/**
 * llama.cpp as the machine's own code (node-llama-cpp's prebuilt binary), for text token by token. Asked for a GGUF file, a
 * prompt's ids and a number of tokens, it writes the likeliest ones and answers with their ids and the seconds that the prompt
 * and the text took.
 */
import { answer } from "./serve.ts";

const VERSION = "3.21.1";

/** What is used of a model that is open. */
interface Opened {
  readonly path: string;
  readonly model: AsyncDisposable;
  readonly context: AsyncDisposable & {
    getSequence(): { evaluate(ids: number[], options: object): AsyncIterable<number>; dispose(): void };
  };
}

/** What is asked. */
interface Question {
  readonly model: string;
  readonly ids: number[];
  readonly tokens: number;
  readonly length: number;
}

await answer(async () => {
  const threads = navigator.hardwareConcurrency;
  // Not a literal, so that nobody who checks or caches this repository fetches it.
  const { getLlama } = await import(["npm:node-llama-cpp", VERSION].join("@"));
  const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, maxThreads: threads });
  let opened: Opened | undefined;
  return {
    name: `llama.cpp ${llama.llamaCppRelease.release} (node-llama-cpp ${VERSION}, native)`,
    async ask({ model: path, ids, tokens, length }: Question) {
      if (opened?.path !== path) {
        await opened?.context[Symbol.asyncDispose]();
        await opened?.model[Symbol.asyncDispose]();
        const model = await llama.loadModel({ modelPath: path });
        opened = { path, model, context: await model.createContext({ contextSize: length, threads }) };
      }
      const sequence = opened.context.getSequence(), written: number[] = [], begun = performance.now();
      let read = begun;
      for await (const id of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        if (!written.length) read = performance.now();
        written.push(id);
        if (written.length === tokens) break;
      }
      const end = performance.now();
      sequence.dispose();
      return { ids: written, promptSeconds: (read - begun) / 1000, seconds: (end - read) / 1000 };
    },
  };
});
