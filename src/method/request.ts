/** What a user writes for a pattern, a group or a sparsity, understood and checked. */
import { PareError } from "../errors.ts";
import {
  DEFAULT_SOLVER_OPTIONS,
  type Group,
  type Method,
  type Pattern,
  type Request,
  type SolverOptions,
} from "./method.ts";
import { UPDATE_STEPS } from "./pcg.ts";

/**
 * Reads `n:m`.
 * @param flag What to call it.
 * @throws PareError if it is not two whole numbers with 0 < n < m.
 */
export function parsePattern(text: string, flag = "--pattern"): Pattern {
  const [, n, m] = (/^(\d{1,6}):(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (!(n > 0 && n < m)) {
    throw new PareError(`${flag} ${text}: expected n:m with 0 < n < m, such as 2:4 (n of every m weights are kept)`);
  }
  return { n, m };
}

/**
 * Reads `row`, `layer`, `column` or `block:R`.
 * @throws PareError for anything else.
 */
export function parseGroup(text: string): Group {
  if (text === "row" || text === "layer" || text === "column") return text;
  const [, block] = (/^block:(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (!(block > 0)) {
    throw new PareError(`--group ${text}: expected row, layer, column or block:R with R rows, such as block:4`);
  }
  return { block };
}

/** The parts of a request as a user gives them. */
export interface RequestOptions {
  /** Share to remove, in [0, 1). Default 0.5 without a pattern. */
  readonly sparsity?: number;
  /** n:m; n are kept. */
  readonly pattern?: Pattern;
  /** Another comparison group than the method's own. */
  readonly group?: Group;
  /** Wanda's variant. */
  readonly variant?: boolean;
}

/** The paper's own setting. */
const DEFAULT_SPARSITY = 0.5;

/**
 * Checks that the parts of a request go together.
 * @throws PareError for a sparsity outside [0, 1), or one that contradicts the pattern, or parts that exclude each other.
 */
export function makeRequest(method: Method, options: RequestOptions): Request {
  const { pattern, group, variant = false } = options;
  const share = pattern ? 1 - pattern.n / pattern.m : DEFAULT_SPARSITY;
  const sparsity = options.sparsity ?? share;
  if (!(sparsity >= 0 && sparsity < 1)) throw new PareError(`--sparsity ${sparsity}: expected a share in [0, 1)`);
  // A published command gives both; a thousandth is finer than any share a pattern with small m could mean.
  if (pattern && Math.abs(sparsity - share) > 1e-3) {
    throw new PareError(
      `--sparsity ${sparsity} contradicts --pattern ${pattern.n}:${pattern.m}, which removes ${share}: leave one out`,
    );
  }
  if (pattern && group) {
    throw new PareError("--group and --pattern exclude each other: n:m compares within its m weights");
  }
  if (variant && !method.supports.includes("variant")) {
    throw new PareError(`--variant is Wanda's; the method is ${method.name}`);
  }
  if (group && !method.supports.includes("group")) {
    throw new PareError(`--group: ${method.name} compares within its blocks of columns when it updates weights`);
  }
  if (variant && (pattern || group)) throw new PareError("--variant and --pattern or --group exclude each other");
  return { sparsity, ...pattern && { pattern }, ...group && { group }, ...variant && { variant } };
}

/**
 * Checks how a Hessian is to be used.
 * @throws PareError for a damping that is negative or no number, a block size or number of
 * steps that is not a whole number from 1 on, any of them for a method that has no Hessian, or one for a method that does not
 * work in blocks or by such steps.
 */
export function makeSolverOptions(method: Method, options: Partial<SolverOptions> = {}): SolverOptions {
  const { damping = method.damping ?? DEFAULT_SOLVER_OPTIONS.damping } = options,
    inBlocks = method.supports.includes("blocks"),
    blockSize = options.blockSize ?? (inBlocks ? DEFAULT_SOLVER_OPTIONS.blockSize : undefined);
  if (method.statistic !== "gram") {
    const [flag] =
      Object.entries({ "--damping": options.damping, "--block-size": options.blockSize, "--steps": options.steps })
        .find(([, value]) => value !== undefined) ?? [];
    if (flag) throw new PareError(`${flag}: ${method.name} has no Hessian; sparsegpt, admm, alps and --update have`);
  }
  if (damping !== "auto" && !(damping >= 0 && damping < Infinity)) {
    throw new PareError(
      `--damping ${damping}: expected a share of the mean diagonal, 0 or more, such as 0.01, or auto`,
    );
  }
  const { steps = method.supports.includes("steps") ? UPDATE_STEPS : undefined } = options;
  if (steps !== undefined && !method.supports.includes("steps")) {
    throw new PareError(`--steps: ${method.name} takes none that can be chosen; --update pcg does`);
  }
  if (steps !== undefined && !(Number.isInteger(steps) && steps > 0)) {
    throw new PareError(`--steps ${steps}: expected a whole number from 1 on, such as ${UPDATE_STEPS}`);
  }
  const common = { damping, ...steps !== undefined && { steps } };
  if (blockSize === undefined) return common;
  if (!inBlocks) {
    throw new PareError(`--block-size: ${method.name} does not work in blocks of columns; sparsegpt does`);
  }
  if (!(Number.isInteger(blockSize) && blockSize > 0)) {
    throw new PareError(`--block-size ${blockSize}: expected a whole number of columns from 1 on, such as 128`);
  }
  return { ...common, blockSize };
}
