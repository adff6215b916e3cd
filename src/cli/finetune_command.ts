/** What `deno task finetune` understands, and the spellings of the published code (locuslab/wanda, `lora_ft` and `dense_ft`). */
import { PareError } from "../errors.ts";
import { choice, integer, number, repeated, share, text, toggle, type Values } from "./flags.ts";
import { backend, explainPermissions, labels, model, runs, spool, workers } from "./shared_flags.ts";

const flags = {
  model: { ...model, aliases: ["model_name_or_path"] },
  out: text({
    metavar: "DIR",
    help: "Where the tuned model goes, adapters merged: the same files, names and dtypes, and the same zeros. " +
      "s3://bucket/prefix and hf://owner/name[@revision] take it too, as prune's; adapters stay here.",
    aliases: ["output_dir"],
    short: "o",
    once: true,
  }),
  adapter: text({
    metavar: "DIR",
    help: "Where LoRA's adapters go, as PEFT loads them, with the masks that they were trained under.",
    otherwise: "--out with -adapter behind it, where that is a directory",
  }),
  start: text({
    metavar: "DIR",
    help: "Adapters to go on with, as PEFT keeps them: LoRA's first weights, for the same linears and rank.",
  }),
  mode: choice(["lora", "full", "reconstruct"], {
    help:
      "lora trains low-rank additions to some linears; full trains every weight that is kept, embeddings and norms; " +
      "reconstruct fits the kept weights of block after block to the hidden states of --teacher.",
    fallback: "lora",
  }),
  teacher: text({
    metavar: "DIR",
    help: "For reconstruct: the dense model that was pruned.",
  }),
  epochs: integer(1, { help: "For reconstruct: how often it goes over the windows.", otherwise: "1" }),
  calibration: text({
    metavar: "c4|wikitext2|ptb|sample|FILE",
    help:
      "The text that is trained on, packed into windows, as prune takes it; the first windows are held out. sample is a few " +
      "chapters of Austen that come with Pare.",
    fallback: "c4",
    aliases: ["corpus", "dataset_name"],
    short: "c",
  }),
  seqlen: integer(2, {
    help: "Tokens in a window.",
    otherwise: "1024, or the model's limit if that is less",
    aliases: ["block_size"],
  }),
  samples: integer(1, {
    help: "Windows to train on, of which an epoch has each once.",
    otherwise: "30000, or what the steps need, or what the text has; for reconstruct 128",
    aliases: ["max_train_samples"],
  }),
  evalWindows: integer(1, { help: "Windows that are held out.", otherwise: "32", aliases: ["max_eval_samples"] }),
  batch: integer(1, { help: "Windows of a step.", otherwise: "128" }),
  microBatch: integer(1, {
    help: "Windows that go through the model together; the gradients of several such add up to a step's.",
    otherwise: "as many as keep the hidden states small",
    aliases: ["per_device_train_batch_size"],
  }),
  steps: integer(1, { help: "Steps; the learning rate falls over them.", otherwise: "one epoch" }),
  hours: number({ help: "Begin no step after so many hours; what is best by then is written.", otherwise: "no limit" }),
  rate: number({
    help: "The highest learning rate.",
    otherwise: "1e-4; for reconstruct that of prune",
    aliases: ["learning_rate"],
  }),
  warmup: integer(0, { help: "Steps on which the rate rises from 0.", otherwise: "5", aliases: ["warmup_steps"] }),
  decay: choice(["linear", "cosine", "constant"], { help: "How the rate falls then.", fallback: "linear" }),
  weightDecay: number({ help: "AdamW's weight decay.", otherwise: "0", aliases: ["weight_decay"] }),
  beta1: number({ help: "AdamW's first beta.", otherwise: "0.9", aliases: ["adam_beta1"] }),
  beta2: number({ help: "AdamW's second beta.", otherwise: "0.999", aliases: ["adam_beta2"] }),
  epsilon: number({ help: "AdamW's epsilon.", otherwise: "1e-8", aliases: ["adam_epsilon"] }),
  clip: number({
    help: "The largest norm of all gradients together; a longer one is scaled down.",
    otherwise: "1",
    aliases: ["max_grad_norm"],
  }),
  rank: integer(1, { help: "LoRA's rank.", otherwise: "8", aliases: ["lora_r"] }),
  alpha: number({ help: "What LoRA adds is scaled by alpha / rank.", otherwise: "16", aliases: ["lora_alpha"] }),
  dropout: share({
    help: "The share of their inputs that LoRA's additions do not see while they are trained.",
    otherwise: "0.05",
    aliases: ["lora_dropout"],
  }),
  targets: repeated(text({
    metavar: "GLOB",
    help:
      "The linears that LoRA adapts, or that reconstruct fits, such as *.mlp.*; a glob that matches nothing is an error. Without it q_proj and v_proj, " +
      "or the linear that they are rows of; for reconstruct all.",
  })),
  unmasked: toggle({
    help: "Let LoRA's additions fill removed weights, as published: the merged model is less sparse then.",
  }),
  mask: text({
    metavar: "FILE",
    help: "The masks of the model's linears (masks.safetensors of another fine-tuning), if its zeros do not tell them.",
  }),
  dense: toggle({ help: "Go on with a model that is not pruned." }),
  evalEvery: integer(1, {
    help:
      "Steps between two evaluations; the best state is what is written. Of reconstruct blocks, and what is fitted is written.",
    otherwise: "20; for reconstruct one before and one after",
  }),
  seed: integer(0, { help: "Of the order of the windows, and of LoRA's first weights.", fallback: 0 }),
  precision: choice(["auto", "f32", "bf16"], {
    help:
      "How full keeps weights and AdamW's moments: f32, or bf16 with stochastic rounding, which takes half of the memory.",
    otherwise: "auto: f32 where the backend has room for the gradients, else bf16",
  }),
  records: integer(0, {
    metavar: "MIB",
    help:
      "What blocks' operations need on the way back is kept on the way forward up to so many MiB, and the other blocks are walked " +
      "again: 0 takes the least memory, with hidden states in a file as --spool has them. The numbers are the same.",
    otherwise: "half of what the backend gives to hidden states: 512",
  }),
  backend,
  workers,
  spool,
  force: toggle({
    short: "f",
    help: "Replace --out and --adapter if they hold what Pare wrote there, and nothing else.",
  }),
  resume: toggle({ help: "Go on after the last evaluation of a run that was stopped or killed." }),
  runs,
  ...labels,
  explainPermissions,
  dryRun: toggle({ short: "n", help: "Print what would be trained, and stop." }),
};

/** What `deno task finetune` understands. */
export const finetuneCommand = {
  name: "finetune",
  summary:
    "train what is left of a pruned model, its mask held: low-rank adapters, all kept weights, or block by block.",
  flags,
  operand: "model",
  examples: [
    "deno task finetune --model pruned --calibration sample --seqlen 256 --batch 4 --steps 40 --rate 1e-3 --out tuned",
    "deno task finetune --model pruned --mode full --hours 2 --out tuned",
    "deno task finetune --model pruned --mode reconstruct --teacher dense --out fitted",
    "deno task finetune --model pruned --rank 16 --targets q_proj --targets v_proj --targets '*.mlp.*' --out tuned",
  ],
  notes:
    "Defaults are the published ones: rank 8, alpha 16, dropout 0.05, q_proj and v_proj, 1e-4 with 5 warm-up steps and linear decay, " +
    "windows of 1024 tokens of C4, 128 of them a step. prune --reconstruct wins back more for less where it fits.",
} as const;

/** The values of the flags, with what is not given filled in. */
export type FinetuneValues = ReturnType<typeof completeFlags>;

/** Windows that are trained on unless steps or windows are named: the published code's documents. */
const SAMPLES = 30_000;

/** Windows that blocks are fitted on unless they are named: as many as prune is calibrated on. */
const RECONSTRUCTION_SAMPLES = 128;

/** Flags that a mode does not know: those of a loop of steps, and those of adapters. */
const STEPPING = [
  "batch",
  "microBatch",
  "steps",
  "warmup",
  "weightDecay",
  "beta1",
  "beta2",
  "epsilon",
  "clip",
  "records",
];
const ADAPTING = ["adapter", "start", "rank", "alpha", "dropout", "unmasked"], RECONSTRUCTING = ["teacher", "epochs"];
const FOREIGN = {
  lora: ["precision", ...RECONSTRUCTING],
  full: [...ADAPTING, "targets", ...RECONSTRUCTING],
  reconstruct: ["precision", ...ADAPTING, ...STEPPING],
} as const;

/** Whom a flag is for. */
const MODES_OF = (flag: string) =>
  Object.entries(FOREIGN).filter(([, flags]) => !(flags as readonly string[]).includes(flag)).map(([mode]) => mode);

/** As it is typed. */
const typed = (flag: string) => `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * Fills in what is not given.
 * @throws PareError for a number that makes no sense.
 */
export function completeFlags(given: Values<typeof finetuneCommand.flags>) {
  const { batch = 128, rate = 1e-4, warmup = 5, weightDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = given;
  const { clip = 1, rank = 8, alpha = 16, dropout = 0.05, evalWindows = 32, hours = Infinity } = given;
  const reconstructs = given.mode === "reconstruct", { evalEvery = reconstructs ? 0 : 20 } = given;
  const samples = given.samples ??
    (reconstructs ? RECONSTRUCTION_SAMPLES : given.steps === undefined ? SAMPLES : given.steps * batch);
  for (const [flag, value] of Object.entries({ rate, epsilon, clip, alpha, hours })) {
    if (!(value > 0)) throw new PareError(`--${flag} ${value}: expected a number above 0`);
  }
  for (const [flag, value] of Object.entries({ beta1, beta2 })) {
    if (!(value >= 0 && value < 1)) throw new PareError(`--${flag} ${value}: expected 0 to below 1`);
  }
  if (!(weightDecay >= 0)) throw new PareError(`--weight-decay ${weightDecay}: expected 0 or more`);
  if (given.out === undefined && !given.dryRun) {
    throw new PareError("--out is missing: name the directory for the tuned model, or ask for --dry-run");
  }
  for (const flag of FOREIGN[given.mode]) {
    const value = given[flag as keyof typeof given];
    if (value === undefined || value === false || Array.isArray(value) && !value.length) continue;
    throw new PareError(`${typed(flag)} is for --mode ${MODES_OF(flag).join(" or ")}, not for ${given.mode}`);
  }
  if (reconstructs && given.teacher === undefined) {
    throw new PareError("--teacher is missing: name the dense model that was pruned");
  }
  const adapter = given.mode === "lora"
    ? given.adapter ?? (given.out && `${given.out.replace(/[/\\]+$/, "")}-adapter`)
    : undefined;
  return {
    ...given,
    ...{
      batch,
      rate,
      warmup,
      weightDecay,
      beta1,
      beta2,
      epsilon,
      clip,
      rank,
      alpha,
      dropout,
      evalEvery,
      evalWindows,
      hours,
    },
    samples,
    adapter,
    givenRate: given.rate,
  };
}
