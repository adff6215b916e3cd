/** `deno task eval`: perplexity of a model, beside the three things without which it means nothing. */
import { evalCommand } from "../src/cli/eval_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import { peakMemory } from "../src/cli/terminal.ts";
import { showSeconds, showShare } from "../src/cli/units.ts";
import {
  evaluate,
  evaluationWindows,
  loadTokenizer,
  openBackend,
  openCheckpoint,
  PareError,
  readShape,
} from "../src/mod.ts";
import { defaultSeqlen, downloads } from "./shared.ts";

async function main(values: Values<typeof evalCommand.flags>, { terminal, signal }: Context): Promise<Outcome> {
  const start = performance.now();
  if (values.corpus && values.tokens) throw new PareError("--corpus and --tokens exclude each other");
  await using checkpoint = await openCheckpoint(values.model, { onProgress: downloads(terminal) });
  const shape = readShape(checkpoint);
  const windows = await evaluationWindows(values.tokens ?? values.corpus ?? "wikitext2", {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: shape.vocabulary,
    seqlen: values.seqlen,
    defaultSeqlen: defaultSeqlen(shape),
    windows: values.windows,
    onProgress: downloads(terminal),
  });
  await using backend = await openBackend(values.backend, { workers: values.workers });
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  const { perplexity, sparsity } = await evaluate(
    { ids: windows.ids, sequences: windows.windows, length: windows.length },
    {
      checkpoint,
      backend,
      signal,
      spool: { always: values.spool !== undefined, directory: values.spool || undefined },
      onProgress: ({ block, blocks, tokens, totalTokens }) =>
        terminal.progress({
          label: `block ${block + 1} of ${blocks}`,
          done: tokens,
          total: totalTokens,
          unit: "tokens",
        }),
    },
  );
  const seconds = (performance.now() - start) / 1000;
  const { description: corpus, length: seqlen, windows: count, sha256 } = windows;
  return {
    text: [
      table(["perplexity", "seqlen", "windows", "sparsity", "corpus"], [
        [perplexity.toFixed(4), `${seqlen}`, `${count}`, showShare(sparsity), corpus],
      ]),
      `SHA-256 of the corpus: ${sha256}`,
      `took ${showSeconds(seconds)}`,
    ].join("\n"),
    json: {
      model: checkpoint.path,
      perplexity,
      windows: count,
      seqlen,
      corpus,
      sha256,
      sparsity,
      backend: { name: backend.name, description: backend.description },
      seconds,
      peakBytes: peakMemory(),
    },
  };
}

if (import.meta.main) await run(evalCommand, main);
