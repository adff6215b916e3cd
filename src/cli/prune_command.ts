/**
 * What `deno task prune` understands, and the spellings of the published code (github.com/locuslab/wanda, main.py), so
 * that an old command line runs unchanged.
 */
import { PareError } from "../errors.ts";
import { choice, integer, number, readPattern, repeated, share, text, toggle, value, type Values } from "./flags.ts";
import { rankFlags } from "./rank_flags.ts";
import { sweepFlags } from "./sweep_flags.ts";
import {
  backend,
  damping,
  explainPermissions,
  labels,
  remoteModel,
  runs,
  spool,
  stream,
  workers,
} from "./shared_flags.ts";

/** What `--reconstruct` takes alone: one epoch wins most of what five do, at a fifth of their time. */
const DEFAULT_EPOCHS = 1;

/** How often reconstruction goes over the calibration sequences. */
function readEpochs(text: string, flag: string): number {
  const epochs = Number(text);
  if (/^\d+$/.test(text) && epochs >= 1 && Number.isSafeInteger(epochs)) return epochs;
  throw new PareError(`${flag} ${text}: expected how often to go over the calibration sequences, 1 or more`);
}

const flags = {
  model: remoteModel,
  out: text({
    metavar: "DIR",
    help: "Where the pruned model goes: the same files, names and dtypes. It is complete or absent, never half. " +
      "s3://bucket/prefix and hf://owner/name[@revision] take it too; it is made in the user's cache then, or in --spool DIR, " +
      "and sent shard by shard (the Hub's in one commit).",
    aliases: ["save_model"],
    short: "o",
    once: true,
  }),
  method: text({
    metavar: "magnitude|wanda|ria|sparsegpt|admm|alps",
    help:
      "How weights are judged: by their size (magnitude); by their size times the norm of the inputs they meet (wanda); by " +
      "their share of their row and column times the root of that norm (ria); by the error that they leave after the " +
      "others make up for it (sparsegpt, which updates the weights that stay); together with the best weights for those " +
      "that stay, in turns (admm, alps).",
    fallback: "wanda",
    aliases: ["prune_method"],
  }),
  sparsity: share({
    help: "The share of every linear's weights to remove, at least 0 and below 1.",
    otherwise: "0.5",
    aliases: ["sparsity_ratio"],
    short: "s",
  }),
  pattern: value({
    metavar: "N:M",
    short: "p",
    help: "Instead of a share: keep n of every m neighbouring weights of a row, such as 2:4 or 4:8.",
  }, readPattern),
  calibration: text({
    metavar: "c4|wikitext2|ptb|sample|self|FILE",
    short: "c",
    help:
      "The text that inputs are measured on. c4 is fetched from the Hub once, as the published code draws it. sample " +
      "is a few chapters of Austen that come with Pare, for a first try without network. self is what the dense model writes " +
      "itself, token by token. A file is plain text, JSONL " +
      'with a "text" in every line, or safetensors with token ids as I32 "calibration", sequences x tokens, which is ' +
      "used whole unless --samples or --seqlen say less; - is stdin.",
    fallback: "c4",
  }),
  samples: integer(1, { help: "Calibration sequences.", otherwise: "128", aliases: ["nsamples"] }),
  seqlen: integer(1, {
    help: "Tokens in a calibration sequence.",
    otherwise: "2048, or the model's limit if that is less",
  }),
  startToken: integer(0, {
    help: "The id that every sequence of --calibration self begins with.",
    otherwise: "the config's bos_token_id",
  }),
  seed: integer(0, { help: "Which sequences are drawn, as CPython's generator draws them.", fallback: 0 }),
  group: text({
    metavar: "row|layer|column|block:R",
    help: "Which weights compete with each other; block:R is R rows together.",
    otherwise: "row for wanda and ria, layer for magnitude",
  }),
  variant: toggle({ help: "Wanda's variant: a threshold on running sums, not a count.", aliases: ["use_variant"] }),
  update: choice(["sequential", "iterative", "pcg"], {
    help:
      "Update the weights that a method keeps: by conjugate gradients, with any method's mask (pcg); as SparseGPT does, " +
      "after a mask is chosen (sequential), or choosing it block of columns after block (iterative).",
    otherwise: "no update",
  }),
  allocation: choice(["uniform", "owl", "dlp", "atp"], {
    help:
      "The same sparsity for all, or more for blocks with fewer outliers among Wanda's scores (owl) or a higher median of " +
      "them (dlp), or more from block to block (atp, which measures nothing).",
    fallback: "uniform",
  }),
  sparsityMap: text({
    metavar: "FILE.json",
    help:
      'An object of name globs and what they ask instead: {"*.mlp.*": 0.6, "q_proj": "2:4"}. The last match counts; a ' +
      "glob that matches nothing is an error.",
  }),
  reconstruct: value({
    metavar: "EPOCHS",
    help:
      "After a block is pruned, fit the weights that it keeps to what the dense network has after that block, so many times " +
      "over the calibration sequences (block reconstruction, by AdamW). What is removed stays removed.",
    bare: DEFAULT_EPOCHS,
    otherwise: `no reconstruction; ${DEFAULT_EPOCHS} without a number`,
  }, readEpochs),
  reconstructRate: number({
    help: "AdamW's rate at the first step of --reconstruct, from where it falls to 0.",
    otherwise: "0.003 where hidden states are 96 wide, less in proportion where they are wider",
  }),
  damping: damping({
    help:
      "What is added to the diagonal of a Hessian, as a share of its mean; for sparsegpt, admm, alps and --update. auto: " +
      "for every input its width divided by the calibration tokens that it saw, from 0.01 to 0.3.",
    aliases: ["percdamp"],
  }),
  blockSize: integer(1, {
    help: "Columns that sparsegpt and --update work on at a time.",
    otherwise: "128",
    aliases: ["blocksize"],
  }),
  permute: toggle({
    help:
      "For n:m: put the inputs of an attention's and an MLP's last linear in an order in which more of what counts stays. " +
      "What comes before them is stored in that order, so the model is an ordinary one and computes the same.",
  }),
  steps: integer(1, {
    help: "Steps of --update pcg; the published code takes 10.",
    otherwise: "5",
  }),
  holdout: toggle({
    help:
      "Hold the last tenth of the calibration sequences out of the Hessians: the output error on them is shown beside, and an " +
      "update of weights that raises it is not made.",
  }),
  trueSequential: toggle({
    help: "Observe a block's linears one after the other, each after those before it were pruned; for sparsegpt.",
    aliases: ["true_sequential"],
  }),
  backend,
  workers,
  blocks: text({ metavar: "0-3,7", help: "Prune only these blocks, counted from 0.", otherwise: "all" }),
  include: repeated(text({
    metavar: "GLOB",
    help: "Prune only linears whose name matches, such as *.mlp.*; a glob that matches nothing is an error.",
  })),
  exclude: repeated(text({ metavar: "GLOB", help: "Leave linears whose name matches as they are." })),
  spool,
  force: toggle({
    short: "f",
    help: "Replace the directory --out if it holds what Pare wrote there, and nothing else.",
  }),
  stream,
  plan: text({
    metavar: "FILE",
    help:
      "Do what a plan says (the runPlan of --dry-run --json, or another run's manifest): its method, sparsity, seed, " +
      "targets and backend, on --model and --calibration, which must be what the plan names by their hashes.",
  }),
  ...rankFlags,
  ...sweepFlags,
  resume: toggle({
    help:
      "Go on after the last finished block of a run that was killed; what this run has done stays if it is stopped.",
  }),
  runs,
  ...labels,
  explainPermissions,
  dryRun: toggle({ short: "n", help: "Print the plan (bytes to read, memory, time) and stop." }),
  sparsityType: value({
    metavar: "unstructured|N:M",
    help: "The published code's flag for --pattern. It counts the removed of every m: its 1:4 is --pattern 3:4.",
    aliases: ["sparsity_type"],
  }, readSparsityType),
  save: text({
    metavar: "DIR",
    help: "The published code's flag for its log; here the place of --out, if that is not given.",
  }),
};

/** The published code's pattern as ours, which counts the kept. */
function readSparsityType(text: string, flag: string): { readonly pattern?: string; readonly removed: string } {
  if (text === "unstructured") return { removed: text };
  const [, n, m] = (/^(\d+):(\d+)$/.exec(text) ?? []).map(Number);
  if (!(n < m)) throw new PareError(`${flag} ${text}: expected unstructured or n:m with n < m`);
  return { pattern: `${m - n}:${m}`, removed: text };
}

/** A method and the update that goes with it. */
type Ablation = Pick<Values<typeof flags>, "method" | "update">;

/** The published code's names for a mask with a weight update. */
function readAblation({ method, update }: Ablation): Ablation {
  const [, base, way] = /^ablate_(mag|wanda)_(seq|iter)$/.exec(method) ?? [];
  if (!base) return { method, update };
  return { method: base === "mag" ? "magnitude" : base, update: way === "seq" ? "sequential" : "iterative" };
}

/** What `deno task prune` understands. */
export const pruneCommand = {
  name: "prune",
  summary: "remove the least needed weights of a language model, block by block.",
  flags,
  operand: "model",
  examples: [
    "deno task prune --model tests/fixtures/models/Austen-700K --calibration sample --sparsity 0.5 --out pruned",
    "deno task prune --model HuggingFaceTB/SmolLM2-135M-Instruct --method wanda --pattern 2:4 --out pruned",
    "deno task prune --model model.gguf --method sparsegpt --calibration wikitext2 --samples 32 --out pruned",
  ],
  notes:
    "n:m keeps n of every m weights. The published code's flags count the removed; for 2:4 and 4:8 that is the same.",
} as const;

/** The values of the flags, the published spellings put in their place. */
export type PruneValues = Omit<Values<typeof pruneCommand.flags>, "sparsityType" | "save">;

/**
 * Puts the values of the published spellings in the place of ours.
 * @param note Told where a spelling means something else than it may seem.
 * @throws PareError if there is no place for the result.
 */
export function normalizeFlags(
  { sparsityType, save, ...values }: Values<typeof pruneCommand.flags>,
  note: (line: string) => void,
): PruneValues {
  const { pattern = sparsityType?.pattern, out = save } = values;
  const { method, update } = readAblation(values);
  if (sparsityType?.pattern && sparsityType.pattern !== sparsityType.removed) {
    note(
      `--sparsity_type ${sparsityType.removed} counts the removed weights: the same as --pattern ${sparsityType.pattern}`,
    );
  }
  if (values.out === undefined && save !== undefined) note(`--save ${save}: the pruned model goes there`);
  if (out === undefined && !values.dryRun) {
    throw new PareError("--out is missing: name the directory for the pruned model, or ask for --dry-run");
  }
  if (method !== values.method) {
    note(`--prune_method ${values.method}: the same as --method ${method} --update ${update}`);
  }
  return { ...values, method, update, pattern, out };
}
