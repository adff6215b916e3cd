/** What a command line asks of `compare`, checked; and what the run that follows from it may touch. */
import type { compareCommand } from "../../src/cli/compare_command.ts";
import type { Values } from "../../src/cli/flags.ts";
import type { Context } from "../../src/cli/run.ts";
import {
  ALLOCATIONS,
  type Damping,
  findMethod,
  makeRequest,
  makeSolverOptions,
  PareError,
  parsePattern,
  type SolverOptions,
  uniform,
  type Update,
  withUpdate,
} from "../../src/mod.ts";
import { labelsOf } from "../../src/run/labels.ts";
import { isCalibrated, type Job, type Variant } from "../../src/run/pass/job.ts";
import type { Budget } from "../../src/run/pass/tuned.ts";
import { enterExam, type TaskFlags } from "../shared/exam.ts";
import { PermissionSet } from "../shared/sandbox.ts";
import { corpusAsked, fetching } from "../shared/common.ts";

/** The flags as they are given, where hidden states would be spooled to, and what is lost. */
export type Given = Values<typeof compareCommand.flags> & {
  readonly taskFiles?: TaskFlags["taskFiles"];
  readonly spoolFile?: string;
  readonly replaces?: string;
  readonly registry?: string;
  readonly files?: readonly string[];
};

/** How the jobs use a Hessian, as a plan has it: one damping, or one for each method where theirs differ. */
export function solvesOf(
  jobs: readonly Job[],
): Partial<SolverOptions> | { damping: Record<string, Damping>; blockSize?: number; steps?: number } {
  const solving = jobs.filter(({ method }) => method.statistic === "gram");
  if (!solving.length) return {};
  // Block size and steps are the same for all that have them.
  const all: SolverOptions = Object.assign({}, ...solving.map(({ solve }) => solve));
  const damping = Object.fromEntries(solving.map(({ name, solve }) => [name, solve.damping]));
  return solving.every(({ solve }) => solve.damping === all.damping) ? all : { ...all, damping };
}

/** What stands behind a `+` and takes a value: `damping:0.1`, `reconstruct:5`. */
const DAMPING = "damping", RECONSTRUCT = "reconstruct", PERMUTE = "permute";

/** The method behind such a name. */
function findVariant(name: string): Variant {
  const [base, ...options] = name.split("+"), method = findMethod(base);
  const refuse = (what: string): never => {
    throw new PareError(`--methods ${name}: ${what}`);
  };
  /** What goes under a word: its value, `""` without one, undefined where it does not stand there. */
  const valueOf = (word: string): string | undefined => {
    const [found, other] = options.filter((each) => each.split(":")[0] === word);
    if (other !== undefined) refuse(`${word} stands there twice`);
    return found?.slice(word.length + 1);
  };
  const [damping, epochs, permute] = [DAMPING, RECONSTRUCT, PERMUTE].map(valueOf);
  if (permute) refuse(`expected ${PERMUTE} without a value`);
  const others = options.filter((each) => ![DAMPING, RECONSTRUCT, PERMUTE].includes(each.split(":")[0]));
  const updates = others.filter((each) => !ALLOCATIONS.has(each)), [update] = updates as (Update | undefined)[];
  if (updates.length > 1 || others.length - updates.length > 1) {
    refuse("expected one allocation at most, and one update at most");
  }
  const [allocation = uniform] = others.flatMap((each) => ALLOCATIONS.get(each) ?? []);
  return {
    name,
    method: update === undefined ? method : withUpdate(method, update),
    allocation,
    permute: permute !== undefined,
    ...damping !== undefined && { damping: readDamping(damping) ?? refuse(`${DAMPING}: expected auto or a number`) },
    ...epochs !== undefined && {
      epochs: /^([1-9]\d{0,4})?$/.test(epochs) ? Number(epochs || 1) : refuse(`${RECONSTRUCT}: expected 1 or more`),
    },
  };
}

/** `auto`, or a number. */
function readDamping(text: string): Damping | undefined {
  return text === "auto" ? text : /^\d*\.?\d+$/.test(text) ? Number(text) : undefined;
}

/** Why a sparsity is none for a method, if it is not. */
function unfit({ allocation, permute }: Variant, asked: string): string | undefined {
  const pattern = asked.includes(":");
  if (allocation !== uniform && pattern) {
    return `${allocation.name} shares out a sparsity, and ${asked} is one for all`;
  }
  if (permute && !pattern) return `${PERMUTE} is for n:m, and ${asked} is none`;
}

/** What the flags ask, checked. */
export function resolveRequest(
  { methods, sparsities, samples, seeds, calibration, damping, blockSize, ...given }: Given,
) {
  const corpus = corpusAsked(given), several = samples && samples.length > 1 ? "samples" : seeds.length > 1 && "seeds";
  if (several && corpus === undefined) {
    throw new PareError(`--${several}: several numbers are for a perplexity: name a --corpus`);
  }
  if (seeds.length > 1 && /\.safetensors$/i.test(calibration)) {
    throw new PareError(`--seeds ${seeds.join(",")}: ${calibration} holds ready sequences; no seed draws others`);
  }
  const wrong = sparsities.find((asked) => !/^(\d+:\d+|\d*\.?\d+)$/.test(asked));
  if (wrong !== undefined) {
    throw new PareError(`--sparsities ${wrong}: expected shares such as 0.5 and patterns such as 2:4`);
  }
  const found = methods.map(findVariant), left: string[] = [];
  const jobs = sparsities.flatMap((asked) =>
    found.flatMap((variant): Job[] => {
      const why = unfit(variant, asked);
      if (why !== undefined) {
        // Of several sparsities those that a method is not for are left out.
        if (sparsities.every((each) => unfit(variant, each) !== undefined)) {
          throw new PareError(`--methods ${variant.name}: ${why}`);
        }
        left.push(`${variant.name} is left out at ${asked}: ${why}`);
        return [];
      }
      const part = asked.includes(":") ? { pattern: parsePattern(asked, "--sparsities") } : { sparsity: Number(asked) };
      const { method } = variant,
        solve = makeSolverOptions(method, {
          damping: variant.damping ?? (method.statistic === "gram" ? damping : undefined),
          ...method.supports.includes("blocks") && { blockSize },
        });
      return [{ ...variant, asked, solve, request: makeRequest(method, part) }];
    })
  );
  const solves = found.some(({ method }) => method.statistic === "gram");
  if (solves && blockSize !== undefined && !found.some(({ method }) => method.supports.includes("blocks"))) {
    throw new PareError("--block-size: none of --methods works in blocks of columns; sparsegpt does");
  }
  if (!solves && (damping !== undefined || blockSize !== undefined)) {
    throw new PareError(
      "--damping and --block-size are for methods with a Hessian and for updates, which --methods does not name",
    );
  }
  return { jobs, corpus, left };
}

/** Windows of the published experiments. */
const TUNE_SEQLEN = 1024;

/** What training is to take, if any is asked for, with windows of a model's length at most. */
export function budgetOf(values: Given, maxLength: number): Budget & { readonly seqlen: number } | undefined {
  const { finetune: by, tuneSteps, tuneBatch, tuneSeqlen, tuneRate, tuneMinutes: minutes } = values;
  if (!by) {
    const given = { steps: tuneSteps, batch: tuneBatch, seqlen: tuneSeqlen, rate: tuneRate, minutes };
    const [flag] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
    if (flag) throw new PareError(`--tune-${flag}: expected --finetune with it`);
    return undefined;
  }
  const { steps = 100, batch = 4, rate = 1e-4 } = { steps: tuneSteps, batch: tuneBatch, rate: tuneRate };
  for (const [flag, value] of Object.entries({ rate, minutes })) {
    if (value !== undefined && !(value > 0)) throw new PareError(`--tune-${flag} ${value}: expected a number above 0`);
  }
  const seqlen = tuneSeqlen ?? Math.min(TUNE_SEQLEN, maxLength);
  return { by, steps, batch, rate, seqlen, ...minutes !== undefined && { minutes } };
}

/** Fetches what the comparison needs, and says what it may touch. */
export async function enter(given: Given, { terminal }: Context) {
  labelsOf(given);
  const { jobs, corpus: asked } = resolveRequest(given), allowed = new PermissionSet(), fetches = fetching(terminal);
  const model = await allowed.model(given.model, fetches);
  budgetOf(given, TUNE_SEQLEN);
  const calibration = jobs.some(isCalibrated) || given.finetune
    ? await allowed.corpus(given.calibration, "train", fetches)
    : undefined;
  const corpus = asked === undefined ? undefined : await allowed.corpus(asked, "test", fetches);
  const taskFiles = await enterExam(given, allowed, fetches);
  const replaces = allowed.output(given.out, model, given.force);
  return {
    values: {
      ...given,
      model,
      calibration: calibration?.name ?? given.calibration,
      tokens: undefined,
      corpus: corpus?.name,
      taskFiles,
      files: [calibration?.file, corpus?.file].filter((path) => path !== undefined),
      replaces,
      spoolFile: allowed.spool(given.spool),
      registry: allowed.registry(given.runs),
    },
    permissions: allowed.permissions,
  };
}
