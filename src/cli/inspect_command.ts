/** What `deno task inspect` understands. */
import { model } from "./shared_flags.ts";

/** What `deno task inspect` understands. */
export const inspectCommand = {
  name: "inspect",
  summary: "show what a checkpoint holds: family, shapes, dtypes, sizes, and the sparsity and pattern of every linear.",
  flags: { model },
  operand: "model",
  examples: ["deno task inspect tests/fixtures/models/Austen-700K", "deno task inspect ./pruned --json"],
  notes: "What is damaged is named on stderr, what can still be read is shown, and the exit code is 2.",
} as const;
