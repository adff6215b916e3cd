/** What `deno task eval` understands. */
import { integer, text, toggle } from "./flags.ts";
import { sweepFlags } from "./sweep_flags.ts";
import {
  backend,
  benchmarks,
  explainPermissions,
  labels,
  remoteModel,
  runs,
  spool,
  stream,
  workers,
} from "./shared_flags.ts";

/** What `deno task eval` understands. */
export const evalCommand = {
  name: "eval",
  summary: "measure the perplexity of a language model, or its answers to benchmarks, block by block.",
  flags: {
    model: remoteModel,
    corpus: text({
      metavar: "wikitext2|wikitext2:validation|c4:validation|ptb|FILE",
      help: "The text, cut into windows as the published code cuts it: WikiText-2's or Penn Treebank's test split, " +
        'another split, or C4\'s first validation documents, from the Hub; a plain text file, or JSONL with a "text" in ' +
        "every line; - is stdin. A local copy is named behind the set: c4:validation:FILE.",
      otherwise: "wikitext2",
    }),
    tokens: text({
      metavar: "FILE",
      help: 'Instead of a corpus: safetensors with token ids as I32 "evaluation", windows x tokens.',
    }),
    seqlen: integer(2, {
      help: "Tokens in a window; with --tasks the most that a request may have, its front left out.",
      otherwise: "2048, or the model's limit if that is less; with --tasks that limit",
    }),
    windows: integer(1, { help: "How many windows, from the first on.", otherwise: "all" }),
    ...benchmarks,
    logSamples: text({ metavar: "FILE", help: "Write what became of every question, one line of JSON each." }),
    stream,
    card: toggle({
      help:
        "Write the figures into the model card of a model that Pare has pruned, beside the dense model's if that was " +
        "evaluated alike; benchmarks for the Hub as well (model-index).",
    }),
    force: toggle({
      short: "f",
      help: "Evaluate again what has been evaluated before: the same model on the same text and benchmarks; and ask " +
        "benchmarks whose data have changed since.",
    }),
    plans: {
      ...sweepFlags.plans,
      help: "A sweep's plans: what one of them wrote is the model, with the tags of its run.",
    },
    index: sweepFlags.index,
    backend,
    workers,
    spool,
    runs,
    ...labels,
    explainPermissions,
  },
  operand: "model",
  examples: [
    "deno task eval --model tests/fixtures/models/Austen-700K --corpus tests/fixtures/data/austen-heldout.txt --seqlen 256",
    "deno task eval --model pruned --json",
    "deno task eval --model tests/fixtures/models/Austen-700K --tasks tests/fixtures/data/austen-choices.jsonl",
  ],
  notes:
    "A perplexity is only comparable to one of the same corpus, window length and number of windows: all are printed.",
} as const;
