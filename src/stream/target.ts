/** Which linears of a model a run prunes: all of them, or those that block numbers and name globs leave. */
import { type Glob, parseGlob } from "./glob.ts";
import { PareError } from "../errors.ts";
import type { Request } from "../method/method.ts";
import { linearsOf } from "../model/layers.ts";
import type { Linear, ModelSpec } from "../model/spec.ts";

/** What a user leaves in or out. */
export interface TargetOptions {
  /** Block numbers and ranges, such as `0-3,7`; all by default. */
  readonly blocks?: string;
  /** Globs over linear names such as `*.mlp.*`; a linear must match one of them, if there are any. */
  readonly include?: readonly string[];
  /** Globs over linear names; a linear that matches one is left alone. */
  readonly exclude?: readonly string[];
}

/** The linears to prune, by block. */
export type Targets = ReadonlyMap<number, readonly Linear[]>;

/** What is asked of every linear: the same, or by its full name. */
export type Requests = Request | ((linear: string) => Request);

/** What is asked of one linear. */
export function requestFor(requests: Requests, linear: string): Request {
  return typeof requests === "function" ? requests(linear) : requests;
}

function parseBlocks(text: string, blocks: number): Set<number> {
  const chosen = new Set<number>();
  for (const part of text.split(",")) {
    const [, from, to = from] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim()) ?? [];
    if (from === undefined || +from > +to) {
      throw new PareError(`--blocks ${text}: expected numbers and ranges such as 0-3,7`);
    }
    if (+to >= blocks) throw new PareError(`--blocks ${text}: the model has blocks 0 to ${blocks - 1}`);
    for (let block = +from; block <= +to; block++) chosen.add(block);
  }
  return chosen;
}

/**
 * The linears that the options leave, all of them fit for the request.
 * @throws PareError for a glob or block that matches nothing, if nothing is left, or if the pattern does not divide the
 * inputs of a linear.
 */
export function chooseTargets(spec: ModelSpec, requests: Requests, options: TargetOptions = {}): Targets {
  const { blocks, include = [], exclude = [] } = options;
  const chosen = blocks === undefined ? undefined : parseBlocks(blocks, spec.blocks.length);
  const all = linearNames(spec), compile = (flag: string) => (glob: string) => compileGlob(all, flag, glob);
  const included = include.map(compile("--include")), excluded = exclude.map(compile("--exclude"));
  const targets = new Map<number, Linear[]>();
  for (const block of spec.blocks) {
    if (chosen && !chosen.has(block.index)) continue;
    const linears = linearsOf(block).filter(({ name }) =>
      (!included.length || included.some((glob) => glob.test(name))) && !excluded.some((glob) => glob.test(name))
    );
    if (linears.length) targets.set(block.index, linears);
  }
  if (!targets.size) throw new PareError("--blocks, --include and --exclude together leave no linear to prune");
  checkPatterns(targets, requests);
  return targets;
}

/** The full names of all linears, in the order of the forward pass. */
export function linearNames(spec: ModelSpec): string[] {
  return spec.blocks.flatMap(linearsOf).map(({ name }) => name);
}

/**
 * A glob over the names of linears.
 * @param flag Whose value it is, for the error.
 * @throws PareError if it matches none.
 */
export function compileGlob(linears: readonly string[], flag: string, glob: string): Glob {
  const pattern = parseGlob(glob);
  if (!linears.some((name) => pattern.test(name))) {
    throw new PareError(`${flag} ${glob}: matches no linear; their names are such as ${linears[0]}`);
  }
  return pattern;
}

/** Names the first linear whose input width is not a multiple of m. */
function checkPatterns(targets: Targets, requests: Requests): void {
  for (const { name, cols } of [...targets.values()].flat()) {
    const { pattern } = requestFor(requests, name);
    if (pattern && cols % pattern.m) {
      const { n, m } = pattern;
      throw new PareError(`--pattern ${n}:${m}: ${name} has ${cols} inputs, not a multiple of ${m}`);
    }
  }
}
