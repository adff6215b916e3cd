/** What `deno task demo` understands. */
import { text } from "./flags.ts";
import { backend, workers } from "./shared_flags.ts";

/** What `deno task demo` understands. */
export const demoCommand = {
  name: "demo",
  summary: "prune a small model that comes with Pare, measure what it cost, and let it write.",
  flags: {
    out: text({
      metavar: "DIR",
      help: "Where the pruned models go, a directory for each method.",
      otherwise: "a new directory in the system's place for temporary files",
    }),
    backend,
    workers,
  },
  examples: ["deno task demo"],
} as const;
