/** What `deno task verify` understands. */
import { required, text, toggle } from "./flags.ts";
import { backend, explainPermissions, runs, spool, workers } from "./shared_flags.ts";

/** What `deno task verify` understands. */
export const verifyCommand = {
  name: "verify",
  summary: "do a recorded run again, in a sandbox of its own, and compare every mask, weight, perplexity and answer.",
  operand: "run",
  flags: {
    run: required(text({
      metavar: "RUN|MANIFEST|DIR",
      help: "A run's id, the beginning of it or its name, a manifest, or a pruned model's directory with its manifest.",
    })),
    model: text({
      metavar: "DIR|FILE.gguf|ID",
      help: "Where the model is here, if the run was elsewhere; it must be the same by its hash.",
      otherwise: "where the run had it",
    }),
    calibration: text({ metavar: "FILE", help: "The same for the calibration text.", otherwise: "the run's own" }),
    corpus: text({ metavar: "FILE", help: "The same for the evaluation's text.", otherwise: "the run's own" }),
    tokens: text({ metavar: "FILE", help: "The same for the evaluation's tokens.", otherwise: "the run's own" }),
    taskData: text({ metavar: "DIR", help: "The same for the benchmarks' data.", otherwise: "the run's own" }),
    fast: toggle({
      help: "Run nothing: only see whether a pruned model's files are those that the run wrote, by their hashes.",
    }),
    backend: { ...backend, absent: undefined as "auto" | "webgpu" | "wasm" | undefined, otherwise: "the run's own" },
    workers,
    spool,
    runs,
    explainPermissions,
  },
  examples: [
    "deno task verify pruned",
    "deno task verify pruned --fast",
    "deno task verify 0ba1098691f1c368 --json",
    "deno task verify pare_manifest.json --model HuggingFaceTB/SmolLM2-135M-Instruct",
  ],
  notes:
    "By the same kernels in the same arithmetic (backend, instruction set, adapter) everything must be identical: else the " +
    "first linear that differs is named, and by how many bits. By others sums are rounded differently, and the share of " +
    "equal mask bits is shown instead. A manifest beside a model does not say where on its machine things stood: they are " +
    "looked for by the registry, where the command is given, and beside the model; --model and the like say where.",
} as const;
