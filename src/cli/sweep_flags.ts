/** A command line that a line of a sweep's plans stands for: `--plans FILE --index N`, as `prune` and `eval` take it. */
import { type Flag, integer, text } from "./flags.ts";

/** What names a plan; they are replaced by its flags before a command sees them. */
export const sweepFlags: { readonly plans: Flag<string | undefined>; readonly index: Flag<number | undefined> } = {
  plans: text({
    metavar: "FILE.jsonl",
    help: "A sweep's plans, as pare sweep writes them: the flags of one of them count as if they were given.",
  }),
  index: integer(0, {
    help: "Which of the plans, counted from 0.",
    otherwise: "SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, which a Slurm array and a Kubernetes Indexed Job set",
  }),
};

/** What schedulers call the number of a task. */
const INDEX_VARIABLES = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];

/** A command line, taken apart. */
export interface PlansAsked {
  /** The file of plans; undefined where none is asked for. */
  readonly plans?: string;
  /** The number of the plan, as it was written. */
  readonly index?: string;
  /** What called it so: the flag, or a variable of the environment. */
  readonly from: string;
  /** The other arguments. */
  readonly rest: readonly string[];
}

/** Takes `--plans` and `--index` out of a command line; the last of each counts. */
export function takePlans(
  args: readonly string[],
  variable: (name: string) => string | undefined = (name) => Deno.env.get(name),
): PlansAsked {
  const found: { plans?: string; index?: string } = {}, rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--") {
      rest.push(...args.slice(at));
      break;
    }
    const [, name, value] = /^--(plans|index)(?:=(.*))?$/s.exec(args[at]) ?? [];
    if (name === "plans" || name === "index") found[name] = value ?? args[++at] ?? "";
    else rest.push(args[at]);
  }
  const from = found.index === undefined ? INDEX_VARIABLES.find((name) => variable(name)) : undefined;
  return { ...found, ...from && { index: variable(from) }, from: from ?? "--index", rest };
}
