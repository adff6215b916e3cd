/**
 * A sweep: a grid of models, methods, sparsities and seeds, and the plans that it expands into, each a line of JSON with the
 * flags of `prune`. Whoever has machines has a scheduler that runs numbered tasks; the file is what it counts by. What a plan
 * is to the last bit (its identity) is known only where it is run: by the model's hash there, and by the backend.
 */
import { stat } from "node:fs/promises";
import { isAbsolute, relative, resolve } from "node:path";
import { z } from "npm:zod@4.6.7";
import { isRemote } from "../checkpoint/remote/locate.ts";
import { insteadOf, PareError, UNSEEN } from "../errors.ts";
import { readAs } from "./json.ts";
import { fileName } from "./manifest.ts";
import { NO_RUNS } from "./recorder.ts";

const ValueSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);

/** The flags of a command by their names, without dashes; a list is a flag that is given several times. */
export type SweepFlags = Readonly<Record<string, z.infer<typeof ValueSchema>>>;

/** A dash before a name would be another flag, and so would an equals sign in it. */
const FlagsSchema: z.ZodType<SweepFlags> = z.record(z.string(), ValueSchema).refine(
  (flags) => Object.keys(flags).every((name) => /^[a-z][a-z-]*$/.test(name)),
  "expected names of flags without dashes before them",
);

const GridSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,80}$/, "expected letters, digits, dots, dashes and underscores").optional(),
  models: z.array(z.string().min(1)).min(1),
  methods: z.array(z.string()).min(1).default(["wanda"]),
  patterns: z.array(z.string()).default([]),
  sparsities: z.array(z.number()).default([]),
  seeds: z.array(z.int().nonnegative()).min(1).default([0]),
  out: z.string().min(1).default("pruned"),
  flags: FlagsSchema.default({}),
});

/** What is swept over. */
export type Grid = z.infer<typeof GridSchema>;

/** A plan of a sweep: what it is about, and the whole command line of `prune`. */
export type SweepLine = SweepFlags & { readonly model: string; readonly out: string };

/** What a grid's own lists say, and no flag beside them may. */
const SWEPT = ["model", "method", "pattern", "sparsity", "seed", "out", "plans", "index"];

/**
 * Reads a grid.
 * @throws PareError naming the field if it is none.
 */
export function parseGrid(text: string, path: string): Grid {
  const grid = readAs(GridSchema as z.ZodType<Grid>, text, path, "grid");
  const swept = Object.keys(grid.flags).find((name) => SWEPT.includes(name));
  if (swept !== undefined) throw new PareError(`${path}: flags.${swept}: the grid itself says it`);
  for (const name of ["models", "methods", "patterns", "sparsities", "seeds"] as const) {
    const places = new Map<string, string>();
    for (const value of grid[name].map(String)) {
      const place = name === "models" ? shortName(value) : value, twin = places.get(place);
      if (twin !== undefined) {
        const what = twin === value ? `${value} stands there twice` : `${twin} and ${value} are both called ${place}`;
        throw new PareError(`${path}: ${name}: ${what}, and their results would go to one place`);
      }
      places.set(place, value);
    }
  }
  return grid;
}

/** How a model is called in the paths of what is made of it. */
const shortName = (model: string): string => fileName(model).replace(/\.gguf$/i, "").replace(/[^\w.-]+/g, "-");

/**
 * The plans of a grid: for every model, method, pattern or sparsity, and seed one.
 * @param draws Whether a method looks at a calibration text, of which a seed draws: of one that does not the first seed is all.
 */
export function expandGrid(grid: Grid, draws: (method: string) => boolean): SweepLine[] {
  const { models, methods, patterns, sparsities, seeds, flags, out } = grid;
  const targets = [
    ...patterns.map((pattern) => ({ flag: { pattern }, called: pattern.replaceAll(":", "of") })),
    ...sparsities.map((sparsity) => ({ flag: { sparsity }, called: String(sparsity) })),
  ];
  if (!targets.length) targets.push({ flag: { sparsity: 0.5 }, called: "0.5" });
  const tags = grid.name === undefined ? [] : [`sweep-${grid.name}`];
  return models.flatMap((model) =>
    methods.flatMap((method) =>
      targets.flatMap(({ flag, called }) =>
        (draws(method) ? seeds : seeds.slice(0, 1)).map((seed): SweepLine => ({
          ...flags,
          model,
          method,
          ...flag,
          seed,
          ...tags.length && { tag: [...[flags.tag ?? []].flat().map(String), ...tags] },
          out: `${out}/${shortName(model)}/${method}-${called}-seed${seed}`,
        }))
      )
    )
  );
}

/** The plans as they stand in their file. */
export function sweepText(lines: readonly SweepLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

const LineSchema = FlagsSchema.refine(
  ({ model, out }) => typeof model === "string" && typeof out === "string",
  "expected the flags of prune, model and out among them",
) as z.ZodType<SweepLine>;

/**
 * One of the plans.
 * @param index From 0.
 * @throws PareError if there is none of that number, or it is no plan.
 */
export function readSweepLine(text: string, path: string, index: number): SweepLine {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (!lines.length) throw new PareError(`--plans ${path}: expected a plan in every line, found none`);
  if (index >= lines.length) {
    throw new PareError(
      `--index ${index}: ${path} has ${lines.length} plan${lines.length > 1 ? `s, 0 to ${lines.length - 1}` : ", 0"}`,
    );
  }
  return readAs(LineSchema, lines[index], `${path}, plan ${index}`, "plan of a sweep");
}

/** Flags as a command line; what is false is not given. */
export function sweepArguments(flags: SweepFlags): string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    [value].flat().flatMap((each) => each === false ? [] : each === true ? [`--${name}`] : [`--${name}=${each}`])
  );
}

/** Flags that name what is read, unless they name something else: a Hub id, a data set. */
const READ = ["model", "calibration", "sparsity-map"];

/** Flags that name what is written. */
const WRITTEN = ["out", "runs", "spool"];

/**
 * A plan of a grid in one folder as it stands in a file in another: there what is written is relative to that file, and what
 * is read is what the grid names.
 * @param to Undefined: all paths become absolute.
 */
export async function movePaths(line: SweepLine, from: string, to?: string): Promise<SweepLine> {
  const moved: Record<string, SweepLine[string]> = { ...line };
  for (const [name, value] of Object.entries(line)) {
    if (typeof value !== "string" || isAbsolute(value) || isRemote(value) || value === NO_RUNS) continue;
    // A slash at the end says that it is a folder.
    const path = resolve(from, value) + (value.endsWith("/") ? "/" : "");
    if (to === undefined && WRITTEN.includes(name)) moved[name] = path;
    if (READ.includes(name) && await stat(path).then(() => true, insteadOf(UNSEEN, false))) {
      moved[name] = to === undefined ? path : relative(to, path) || ".";
    }
  }
  return moved as SweepLine;
}
