/** `pare completions SHELL`: a script for a shell, made of the same declarations as the parser and the help. */
import { COMMANDS } from "../src/cli/commands.ts";
import { completions } from "../src/cli/completions.ts";
import { completionsCommand } from "../src/cli/completions_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Outcome, run } from "../src/cli/run.ts";

function main({ shell }: Values<typeof completionsCommand.flags>): Promise<Outcome> {
  const script = completions(shell, COMMANDS);
  return Promise.resolve({ text: script.trimEnd(), json: { shell, script } });
}

/** What `pare completions` runs. */
export const program = [completionsCommand, main] as const;

if (import.meta.main) await run(...program);
