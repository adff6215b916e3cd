/** What `deno task generate` understands. */
import { integer, number, repeated, text, toggle } from "./flags.ts";
import { backend, cache, explainPermissions, labels, model, quantize, workers } from "./shared_flags.ts";

/** What `deno task generate` understands. */
export const generateCommand = {
  name: "generate",
  summary: "let a language model write: it goes on with a text, or answers as a chat model does.",
  flags: {
    model,
    prompt: repeated(text({
      metavar: "TEXT",
      short: "p",
      help:
        "What the model goes on with; of several the texts are written side by side. Without it stdin is the prompt.",
    })),
    chat: toggle({
      short: "c",
      help:
        "The prompt is a message to a chat model, put into the model's own chat template; without a prompt, and on a " +
        "terminal, a conversation line by line.",
    }),
    system: text({ metavar: "TEXT", help: "With --chat: the system message before the conversation." }),
    tokens: integer(1, {
      short: "n",
      help: "Tokens to write at most; it ends before if the model does, or at the model's limit.",
      fallback: 256,
    }),
    temperature: number({
      help: "Logits are divided by it before a token is drawn; 0 takes the likeliest token every time.",
      otherwise: "0; 1 where another of these flags asks for draws",
    }),
    topK: integer(0, { metavar: "N", help: "Draw from the N likeliest tokens; 0 from all.", otherwise: "0" }),
    topP: number({
      metavar: "SHARE",
      help: "Draw from the likeliest tokens that together have this probability.",
      otherwise: "1",
    }),
    minP: number({
      metavar: "SHARE",
      help: "Draw from the tokens that have at least this share of the likeliest one's probability.",
      otherwise: "0",
    }),
    repetitionPenalty: number({
      metavar: "FACTOR",
      help:
        "Make tokens that were there already less likely: their logits are divided by it, those below 0 multiplied.",
      otherwise: "1",
    }),
    seed: integer(0, {
      short: "s",
      help: "Seed of the draws.",
      otherwise: "one that differs each time; --json names it",
    }),
    stop: repeated(text({ metavar: "TEXT", help: "Stop before this text." })),
    cache,
    quantize,
    backend,
    workers,
    runs: text({
      metavar: "FILE|DIR/|none",
      help:
        "Record the run with its prompts and texts, in this registry or in a folder (with a slash) as a record file " +
        "of its own, which pare collect puts into a registry; verify writes the texts again.",
      otherwise: "none",
    }),
    ...labels,
    explainPermissions,
  },
  operand: "model",
  examples: [
    'deno task generate --model tests/fixtures/models/Austen-700K --prompt "Anne had never been more"',
    "deno task generate --model HuggingFaceTB/SmolLM2-135M-Instruct --chat --temperature 0.7 --top-p 0.9",
    'echo "It was a truth" | deno task generate --model pruned --tokens 40 --json',
  ],
  notes:
    "The text goes to stdout as it is written, all else to stderr. It is recorded as a run where --runs asks for it.",
} as const;
