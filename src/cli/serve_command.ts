/** What `deno task serve` understands. */
import { text, type Values } from "./flags.ts";
import { listenFlags } from "./listen_flags.ts";
import { explainPermissions } from "./shared_flags.ts";

/** "PARE" on the keys of a telephone. */
const PORT = 7273;

/** What `deno task serve` understands. */
export const serveCommand = {
  name: "serve",
  summary: "show runs in a browser and to programs: reads the registry, never computes, never writes.",
  flags: {
    runs: text({
      metavar: "FILE",
      help: "The registry of runs.",
      otherwise: "the platform's data directory",
    }),
    ...listenFlags(PORT),
    explainPermissions,
  },
  examples: ["deno task serve", "PARE_TOKEN=... deno task serve --host 0.0.0.0 --allow-host gpu-box"],
  notes: "GET /docs describes what programs may ask.",
} as const;

/** The values of its flags. */
export type ServeValues = Values<typeof serveCommand.flags>;
