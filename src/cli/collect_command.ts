/** What `deno task collect` understands. */
import { required, text } from "./flags.ts";

/** What `deno task collect` understands. */
export const collectCommand = {
  name: "collect",
  summary: "put the records that runs have left in a folder or a bucket into a registry.",
  operand: "records",
  flags: {
    records: required(text({
      metavar: "DIR|s3://BUCKET/PREFIX",
      help: "What runs were given as --runs DIR/ or --runs s3://…: each has left a file of its own there.",
    })),
    runs: text({
      metavar: "FILE",
      help: "The registry that they are put into.",
      otherwise: "runs.db in the platform's data directory",
    }),
  },
  examples: ["deno task collect records --runs all.db"],
  notes: "It may be given again, also while runs are on their way: what is known already is not added twice.",
} as const;
