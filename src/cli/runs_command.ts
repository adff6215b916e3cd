/** What `pare runs` understands: the registry, looked at and put in order. */
import { choice, type Flag, integer, repeated, required, text, toggle } from "./flags.ts";

const registry = text({
  metavar: "FILE",
  help: "The registry of runs.",
  otherwise: "runs.db in the platform's data directory",
});

const run: Flag<string> = required(text({
  metavar: "RUN",
  help: "A run's id, the beginning of it (four characters or more), or its name.",
}));

/** What every subcommand understands, by its name. */
export const RUNS_COMMANDS = {
  list: {
    name: "runs list",
    summary: "list runs, newest first.",
    flags: {
      tag: text({ metavar: "WORD", help: "Only runs with this tag.", short: "t" }),
      name: text({ metavar: "NAME", help: "Only runs of this name." }),
      model: text({ metavar: "NAME", help: "Only runs on this model.", short: "m" }),
      method: text({ metavar: "NAME", help: "Only runs by this method." }),
      status: choice(["running", "finished", "failed", "interrupted"], { help: "Only runs that stand like this." }),
      limit: integer(1, { help: "How many.", fallback: 50, short: "n" }),
      runs: registry,
    },
    examples: ["pare runs list", "pare runs list --tag paper --json"],
  },
  show: {
    name: "runs show",
    summary: "show what a run was asked and what came of it.",
    flags: { run, runs: registry },
    operand: "run",
    examples: ["pare runs show 0ba1098691f1c368", "pare runs show best --json"],
  },
  name: {
    name: "runs name",
    summary: "name a run; an empty name takes it away.",
    flags: { run, name: required(text({ metavar: "NAME", help: "One line.", bare: "" })), runs: registry },
    operand: "run",
    rest: "name",
    examples: ["pare runs name 0ba1 the best so far", 'pare runs name 0ba1 ""'],
  },
  tag: {
    name: "runs tag",
    summary: "tag a run.",
    flags: {
      run,
      tag: required(repeated(text({ metavar: "WORD", help: "A word without blanks.", short: "t" }))),
      remove: toggle({ help: "Take the tags away instead.", short: "d" }),
      runs: registry,
    },
    operand: "run",
    rest: "tag",
    examples: ["pare runs tag 0ba1 paper table-2", "pare runs tag 0ba1 --remove paper"],
  },
  note: {
    name: "runs note",
    summary: "write a note on a run in the place of the one that it has; an empty one takes it away.",
    flags: { run, note: required(text({ metavar: "TEXT", help: "Any text.", bare: "" })), runs: registry },
    operand: "run",
    rest: "note",
    examples: ["pare runs note 0ba1 with the longer calibration text"],
  },
  rm: {
    name: "runs rm",
    summary: "forget runs that have ended; what they wrote stays where it is.",
    flags: {
      run: required(repeated(text({ metavar: "RUN", help: "As runs show takes it." }))),
      runs: registry,
    },
    rest: "run",
    examples: ["pare runs rm 0ba1098691f1c368", "pare runs rm 0ba1 best"],
  },
} as const;
