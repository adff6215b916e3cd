/** What `deno task compare` understands. */
import { PareError } from "../errors.ts";
import { integer, number, readPattern, required, shareMeant, text, toggle, value } from "./flags.ts";
import {
  backend,
  benchmarks,
  damping,
  explainPermissions,
  labels,
  model,
  runs,
  spool,
  workers,
} from "./shared_flags.ts";

/** A list of words, each once. */
function words(text: string, flag: string): readonly string[] {
  const list = text.split(",").map((word) => word.trim());
  const twice = list.find((word, i) => list.indexOf(word) !== i);
  if (list.includes("")) throw new PareError(`${flag} ${text}: expected words with a comma between them`);
  if (twice !== undefined) throw new PareError(`${flag} ${text}: ${twice} stands there twice`);
  return list;
}

/** A list of shares and patterns, as they are written; whether they are is the methods' to say. */
function sparsities(text: string, flag: string): readonly string[] {
  const list = words(text, flag);
  for (const word of list) {
    const share = shareMeant(word);
    if (!word.includes(":") && share !== undefined && share !== `${Number(word)}`) {
      throw new PareError(`${flag} ${word}: expected a share in [0, 1); did you mean ${share}?`);
    }
    if (word.includes(":") || /[^\d.]/.test(word)) readPattern(word, flag);
  }
  return list;
}

/** A list of whole numbers from `least` on, each once. */
const numbers = (least: number) => (text: string, flag: string): readonly number[] =>
  words(text, flag).map((word) => {
    if (/^\d{1,9}$/.test(word) && Number(word) >= least) return Number(word);
    throw new PareError(`${flag} ${text}: expected whole numbers of ${least} or more, with a comma between them`);
  });

/** Ways to train a pruned model further. */
const TUNED_BY = ["lora", "full", "reconstruct"] as const;

/** See {@linkcode TUNED_BY}. */
type TunedBy = typeof TUNED_BY[number];

/** A list of ways to train. */
function tunings(text: string, flag: string): readonly TunedBy[] {
  const list = words(text, flag), isKnown = (word: string): word is TunedBy => TUNED_BY.some((by) => by === word);
  const wrong = list.find((word) => !isKnown(word));
  if (wrong !== undefined) throw new PareError(`${flag} ${wrong}: not known; known are ${TUNED_BY.join(", ")}`);
  return list.filter(isKnown);
}

/** What `deno task compare` understands. */
export const compareCommand = {
  name: "compare",
  summary: "prune a model by several methods and show what each costs: the paper's Tables 2 and 3 for one model.",
  flags: {
    model,
    out: required(text({
      metavar: "DIR",
      short: "o",
      once: true,
      help:
        "Where the results go: compare.md, compare.csv, compare.json and plots in SVG; with --tasks also tasks.csv, a line " +
        "for every figure, and tasks.jsonl, one for every question of every model. All at the end.",
    })),
    methods: value({
      metavar: "LIST",
      help:
        "The methods to compare, of magnitude, sparsegpt, wanda, ria, admm and alps; behind each, with a +, prune's flags: " +
        "owl, dlp or atp (--allocation), pcg, sequential or iterative (--update), permute, reconstruct or " +
        "reconstruct:EPOCHS, and damping:NUMBER or damping:auto. What is not for a sparsity is left out there: an " +
        "allocation of n:m, permute of anything else.",
      fallback: ["magnitude", "sparsegpt", "wanda"] as readonly string[],
      otherwise: "magnitude,sparsegpt,wanda",
    }, words),
    sparsities: value({
      metavar: "LIST",
      help: "Shares to remove, and patterns n:m, which keep n of every m.",
      fallback: ["0.5", "4:8", "2:4"] as readonly string[],
      otherwise: "0.5,4:8,2:4",
      short: "s",
    }, sparsities),
    calibration: text({
      metavar: "c4|wikitext2|ptb|sample|FILE",
      short: "c",
      help: "The text that inputs are measured on, as prune has it.",
      fallback: "c4",
    }),
    samples: value({
      metavar: "LIST",
      help:
        "Calibration sequences. With several numbers, or several seeds, perplexity is also shown by the number of " +
        "sequences, at the first of --sparsities: the mean over the seeds and their deviation. The table is of the last " +
        "number and the first seed.",
      otherwise: "128",
    }, numbers(1)),
    seqlen: integer(1, {
      help: "Tokens in a calibration sequence.",
      otherwise: "2048, or the model's limit if that is less",
    }),
    seeds: value({
      metavar: "LIST",
      help: "Which sequences are drawn.",
      fallback: [0] as readonly number[],
      otherwise: "0",
      aliases: ["seed"],
    }, numbers(0)),
    corpus: text({
      metavar: "wikitext2|wikitext2:validation|c4:validation|ptb|FILE",
      help: "The text that perplexity is measured on, as eval has it.",
      otherwise: "wikitext2",
    }),
    tokens: text({
      metavar: "FILE",
      help: 'Instead of a corpus: safetensors with token ids as I32 "evaluation", windows x tokens.',
    }),
    evalSeqlen: integer(2, {
      help: "Tokens in a window; with --tasks the most that a request may have, its front left out.",
      otherwise: "2048, or the model's limit if that is less; with --tasks that limit",
    }),
    windows: integer(1, { help: "How many windows, from the first on.", otherwise: "all" }),
    decode: toggle({
      help:
        "Also write text with each model, its zeros not stored (as pack does): tokens a second, and bytes of weights that a " +
        "token reads and that stay in memory.",
    }),
    ...benchmarks,
    finetune: value({
      metavar: "LIST",
      help:
        "Train each pruned model further under its mask, by lora, full and reconstruct (finetune's modes), and measure it " +
        "again: the paper's Table 6. The text is --calibration's.",
      bare: TUNED_BY as readonly TunedBy[],
      otherwise: "no training; lora,full,reconstruct without a list",
    }, tunings),
    tuneSteps: integer(1, {
      help: "Steps of --finetune; reconstruct has as many windows, up to 128.",
      otherwise: "100",
    }),
    tuneBatch: integer(1, { help: "Windows of a step.", otherwise: "4" }),
    tuneSeqlen: integer(2, { help: "Tokens of a window.", otherwise: "1024, or the model's limit if that is less" }),
    tuneRate: number({ help: "The highest learning rate of lora and full.", otherwise: "1e-4" }),
    tuneMinutes: number({
      help: "Minutes of each training at most; the bytes depend on the machine then.",
      otherwise: "no limit",
    }),
    damping: damping({
      help:
        "For sparsegpt, admm, alps and updates: what is added to a Hessian's diagonal, as a share of its mean. auto: for " +
        "every input its width divided by the calibration tokens that it saw, from 0.01 to 0.3.",
    }),
    blockSize: integer(1, {
      help: "For sparsegpt and updates: columns that are worked on at a time.",
      otherwise: "128",
    }),
    backend,
    workers,
    spool,
    runs,
    ...labels,
    force: toggle({
      short: "f",
      help:
        "Replace the directory --out if it holds what Pare wrote there, and nothing else; and ask benchmarks whose data " +
        "have changed since.",
    }),
    explainPermissions,
  },
  operand: "model",
  examples: [
    "deno task compare --model tests/fixtures/models/Austen-700K --calibration sample --samples 16 --seqlen 256 \\\n" +
    "    --corpus tests/fixtures/data/austen-heldout.txt --eval-seqlen 256 --out compared",
    "deno task compare --model HuggingFaceTB/SmolLM2-135M-Instruct --samples 1,8,32,128 --seeds 0,1,2 --out compared",
    "deno task compare --model HuggingFaceTB/SmolLM2-135M-Instruct --methods wanda,wanda+owl --sparsities 0.6,0.7 \\\n" +
    "    --out compared",
    "deno task compare --model HuggingFaceTB/SmolLM2-135M-Instruct --methods wanda,wanda+permute,admm+permute \\\n" +
    "    --sparsities 2:4 --out compared",
    "deno task compare --model HuggingFaceTB/SmolLM2-135M-Instruct --tasks wanda --limit 200 --out compared",
    "deno task compare --model HuggingFaceTB/SmolLM2-135M-Instruct --methods wanda --finetune --tasks wanda --out tuned",
  ],
  notes:
    "Each pruned model is written beside --out, evaluated and removed again: one stands there at a time. The dense model " +
    "is evaluated once, the text of benchmarks becomes tokens once, and the first block is observed once for all methods " +
    "of a calibration set.",
} as const;
