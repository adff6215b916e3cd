/** The tasks by their names, and the groups of them. Adding a task is a file and a line here. */
import { arcChallenge, arcEasy } from "./arc.ts";
import { boolq } from "./boolq.ts";
import { hellaswag } from "./hellaswag.ts";
import { lambadaOpenai } from "./lambada.ts";
import { MMLU } from "./mmlu.ts";
import { openbookqa } from "./openbookqa.ts";
import { piqa } from "./piqa.ts";
import { rte } from "./rte.ts";
import type { Task } from "./task.ts";
import { winogrande } from "./winogrande.ts";

/** Several tasks with a figure of their own. */
export interface Group {
  /** As it is asked for. */
  readonly name: string;
  /** What it is made of. */
  readonly tasks: readonly Task[];
  /** Whether every document counts the same, or every task. */
  readonly by: "document" | "task";
  /** The harness's version of it. */
  readonly version: number;
}

/** The seven of Wanda's paper (Sun et al., 2024), whose mean is its figure. */
const WANDA: readonly Task[] = [boolq, rte, hellaswag, winogrande, arcEasy, arcChallenge, openbookqa];

/** Every task. */
export const TASKS: readonly Task[] = [...WANDA, piqa, lambadaOpenai, ...Object.values(MMLU).flat()];

/** Every group. */
export const GROUPS: readonly Group[] = [
  { name: "wanda", tasks: WANDA, by: "task", version: 1 },
  { name: "mmlu", tasks: Object.values(MMLU).flat(), by: "document", version: 2 },
  ...Object.entries(MMLU).map(([name, tasks]): Group => ({ name, tasks, by: "document", version: 2 })),
];

/** What a name means. */
export function findTask(name: string): Task | Group | undefined {
  return TASKS.find((task) => task.name === name) ?? GROUPS.find((group) => group.name === name);
}

/** Every name of a task or group. */
export const TASK_NAMES: readonly string[] = [...GROUPS, ...TASKS].map(({ name }) => name);
