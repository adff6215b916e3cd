/** Flags that several commands have: where the model comes from, what computes, how hidden states are held. */
import { choice, type Flag, integer, numberOr, repeated, required, text, toggle } from "./flags.ts";

/** Where a model is taken from. */
export const model: Flag<string> = required(text({
  metavar: "DIR|FILE.gguf|ID",
  help: "A Hugging Face directory (config.json and safetensors), a GGUF file, or the id of a model on the Hub.",
  short: "m",
  once: true,
}));

/** The same, for commands that read one where it lies as well. */
export const remoteModel: Flag<string> = {
  ...model,
  metavar: "DIR|FILE.gguf|ID|URL",
  help: "A Hugging Face directory (config.json and safetensors), a GGUF file, or the id of a model on the Hub; or " +
    "https://…/folder/ or s3://bucket/prefix, read by ranges where it lies.",
};

/** Whether a model on the Hub is read where it lies. */
export const stream: Flag<boolean> = toggle({
  help: "Read a model on the Hub where it lies, block by block, without a copy on this machine.",
});

/** What computes. */
export const backend: Flag<"auto" | "webgpu" | "wasm"> = choice(["auto", "webgpu", "wasm"], {
  help: "auto takes a hardware GPU if there is one, else WASM.",
  short: "b",
  fallback: "auto",
});

/** How many threads compute. */
export const workers: Flag<number | undefined> = integer(1, {
  help: "Threads of the WASM backend, at most four for each core (or 16). The result does not depend on it.",
  short: "w",
  otherwise: "all cores",
});

/** How keys and values are kept. */
export const cache: Flag<"f32" | "f16"> = choice(["f32", "f16"], {
  help: "How the keys and values of what was read are kept: f16 takes half the memory and rounds them.",
  fallback: "f32",
});

/** How a Hessian is damped. */
export function damping(
  spec: { readonly help: string; readonly aliases?: readonly string[] },
): Flag<number | "auto" | undefined> {
  return numberOr("auto", { ...spec, otherwise: "auto for admm, alps and --update pcg, else 0.01" });
}

/** How weights are rounded as they are loaded. */
export const quantize: Flag<string | undefined> = text({
  metavar: "int8|int4[:GROUP]",
  help: "Round the weights of the linears and of the head to integers that share a scale for GROUP columns (128 for " +
    "int8, 32 for int4): less memory and faster text, and no longer the model's own logits.",
  otherwise: "as they are",
});

/** Where hidden states are held; `""` is the system's directory for temporary files. */
export const spool: Flag<string | undefined> = text({
  metavar: "DIR",
  help: "Keep hidden states in a temporary file in DIR, or in the system's directory for such files.",
  otherwise: "in memory, up to a limit",
  bare: "",
});

/** What the sandbox holds. */
export const explainPermissions: Flag<boolean> = toggle({
  help: "Print what the command may touch in its sandbox (nothing else is open to it) and stop.",
});

/** Where runs are recorded. */
export const runs: Flag<string | undefined> = text({
  metavar: "FILE|DIR/|none",
  help:
    "The registry that the run is recorded in, or a folder (with a slash) for a record file of its own, which pare " +
    "collect puts into a registry; none records nothing.",
  otherwise: "runs.db in the platform's data directory",
});

/** What a person calls a run and says of it. */
export const labels = {
  name: text({ metavar: "NAME", help: "A name for the run; pare runs and the dashboard show it." }),
  tag: repeated(text({ metavar: "WORD", help: "A tag for the run, to find it by.", short: "t" })),
  note: text({ metavar: "TEXT", help: "A note on the run." }),
};

/** What benchmarks are asked, with which data, and how many questions. */
export const benchmarks = {
  tasks: text({
    metavar: "NAME,...",
    help: "Benchmarks, asked as lm-evaluation-harness asks them: boolq, rte, hellaswag, winogrande, arc_easy, " +
      "arc_challenge, openbookqa (these seven: wanda), piqa, lambada_openai, mmlu, mmlu_stem, mmlu_SUBJECT and so on; " +
      "or a file of your own, .json or .jsonl: context, choices and label, or context and continuation. " +
      "The perplexity is then measured only if a corpus is named.",
  }),
  taskData: text({
    metavar: "DIR",
    help: "Where the benchmarks' data lie: NAME.parquet or NAME.jsonl in the Hub's columns, for mmlu mmlu-test and " +
      "mmlu-dev with a subject; examples are drawn from NAME-train.",
    otherwise: "the Hub, fetched once",
  }),
  shots: integer(0, { help: "Examples before every question.", otherwise: "0" }),
  limit: integer(1, { help: "Only the first so many questions of each task.", otherwise: "all" }),
};
