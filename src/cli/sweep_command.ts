/** What `deno task sweep` understands. */
import { required, text, toggle } from "./flags.ts";
import { runs } from "./shared_flags.ts";

/** What `deno task sweep` understands. */
export const sweepCommand = {
  name: "sweep",
  summary: "expand a grid of models, methods, sparsities and seeds into plans, one a line, for prune --plans.",
  operand: "grid",
  flags: {
    grid: required(text({
      metavar: "FILE.json",
      help:
        'The grid: an object of lists, "models", "methods", "patterns", "sparsities" and "seeds", with "out", the ' +
        'directory that the pruned models go to, and "flags", what prune is told beside them, such as {"samples": 16}.',
    })),
    out: text({
      metavar: "FILE.jsonl",
      help: "Where the plans go. Paths in them are relative to the folder of this file, wherever they are run.",
      otherwise: "nowhere: the plans are only counted",
      short: "o",
      once: true,
    }),
    force: toggle({ short: "f", help: "Write the plans in the place of a file that is there." }),
    runs: {
      ...runs,
      help: "The registry whose finished runs tell how long a plan takes; none asks none.",
    },
  },
  examples: [
    "deno task sweep examples/sweep/grid.json",
    "deno task sweep examples/sweep/grid.json --out sweep.jsonl",
  ],
  notes:
    "prune --plans FILE --index N runs a plan, counted from 0; eval --plans FILE --index N evaluates what it wrote. A plan " +
    "that is done is not run again. Recipes for xargs, Slurm, Kubernetes and Hugging Face Jobs stand in examples/sweep/.",
} as const;
