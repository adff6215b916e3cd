/** The command line of a run, as one would type it. */
import type { Manifest } from "./record.ts";

/** Characters that no shell understands as anything but themselves. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** An argument for a POSIX shell: as it is, or in single quotes. */
export function quoteArgument(argument: string): string {
  return PLAIN.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

/** The command that a run was begun with, and that repeats it. */
export function commandLine({ plan, args }: Pick<Manifest, "plan" | "args">): string {
  return ["deno task", plan.kind, ...args.map(quoteArgument)].join(" ");
}
