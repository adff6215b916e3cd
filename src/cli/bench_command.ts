/** What `deno task bench` understands. */
import { choice, number, repeated, text, toggle } from "./flags.ts";
import { labels, runs } from "./shared_flags.ts";

/** The parts of the bench, in the order in which they run. */
export const BENCH_PARTS = [
  "prune",
  "large",
  "tasks",
  "passes",
  "decode",
  "packed",
  "draft",
  "tune",
  "mask",
  "solve",
  "weights",
  "table5",
  "gemm",
  "webgpu",
  "scale",
  "link",
] as const;

/** What `deno task bench` understands. */
export const benchCommand = {
  name: "bench",
  summary: "measure Pare against the machine's own ceiling and against other software, side by side.",
  flags: {
    part: repeated(choice(BENCH_PARTS, { help: "Measure only this part.", otherwise: "all" })),
    model: text({
      metavar: "DIR",
      help: "SmolLM2-135M, for the whole prune, text and drafts.",
      otherwise: "PARE_SMOLLM2; where that is not set a random model of its shape serves the passes, without these",
    }),
    taskData: text({
      metavar: "DIR",
      help: "Benchmarks' data, as eval's --task-data, for the benchmarks.",
      otherwise: "without it they are left out",
    }),
    corpus: text({
      metavar: "FILE",
      help: "A text for what is measured on one: drafts and perplexity.",
      otherwise: "a novel's pages that Austen-700K never saw",
    }),
    quick: toggle({ help: "Fewer shapes, tokens and repetitions: a look, not a result." }),
    peak: number({
      metavar: "TFLOPS",
      help: "The adapter's peak in f32, which no adapter tells: the share of it that the linear reaches is shown.",
    }),
    runs,
    ...labels,
  },
  examples: ["deno task bench", "deno task bench --part gemm --quick", "deno task bench --json > bench.json"],
  notes: "The other software is npm packages, fetched at their first use, and PyTorch with transformers and " +
    "lm-evaluation-harness for the Python of PARE_PYTHON (default python3). What is not there is named and left out. Measure on an idle machine. " +
    "What was measured is recorded as a run, with the machine: pare runs show ID has the table again.",
} as const;
