/** Grids and the plans that they expand into: counted by hand, written and read again, refused by name. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { takePlans } from "../../src/cli/sweep_flags.ts";
import { PareError } from "../../src/errors.ts";
import { expandGrid, parseGrid, readSweepLine, sweepArguments, sweepText } from "../../src/run/sweep.ts";

const grid = (more: Record<string, unknown> = {}) =>
  parseGrid(JSON.stringify({ models: ["a/m"], ...more }), "grid.json");
const refused = (act: () => unknown) => assertThrows(act, PareError).message;

Deno.test("a grid is all models, methods, targets and seeds; a method that draws no text has one seed", () => {
  const lines = expandGrid(
    grid({
      models: ["a/m", "b/n.gguf"],
      methods: ["magnitude", "wanda"],
      patterns: ["2:4", "4:8"],
      sparsities: [0.6],
      seeds: [0, 1, 2],
      flags: { samples: 8, tag: "mine" },
      name: "all",
    }),
    (method) => method === "wanda",
  );
  assertEquals(lines.length, 2 * 3 * (1 + 3));
  assertEquals(new Set(lines.map(({ out }) => out)).size, lines.length);
  assertEquals(lines.filter(({ method }) => method === "magnitude").map(({ seed }) => seed), Array(6).fill(0));
  assertEquals(lines[4], {
    samples: 8,
    model: "a/m",
    method: "wanda",
    pattern: "2:4",
    seed: 1,
    tag: ["mine", "sweep-all"],
    out: "pruned/m/wanda-2of4-seed1",
  });
  assertEquals(lines.at(-1)!.out, "pruned/n/wanda-0.6-seed2");
  assertEquals(expandGrid(grid(), () => true).map(({ method, sparsity }) => [method, sparsity]), [["wanda", 0.5]]);
});

Deno.test("a plan is the same when it is read, whatever stands around it, and is a command line", () => {
  const lines = expandGrid(
    grid({ seeds: [0, 1], flags: { holdout: true, force: false, include: ["*q*", "*k*"] } }),
    () => true,
  );
  const text = sweepText(lines).replaceAll("\n", "\r\n\n");
  for (const [index, line] of lines.entries()) assertEquals(readSweepLine(text, "s", index), line);
  assertEquals(sweepArguments(lines[1]), [
    ...["--holdout", "--include=*q*", "--include=*k*", "--model=a/m", "--method=wanda", "--sparsity=0.5", "--seed=1"],
    "--out=pruned/m/wanda-0.5-seed1",
  ]);
});

Deno.test("what is no grid and no plan is refused by name", () => {
  assertStringIncludes(refused(() => parseGrid("{", "g")), "g: not a grid: not JSON");
  assertStringIncludes(refused(() => grid({ models: [] })), "models");
  assertStringIncludes(refused(() => grid({ method: ["wanda"] })), 'Unrecognized key: "method"');
  assertStringIncludes(refused(() => grid({ flags: { out: "x" } })), "flags.out: the grid itself says it");
  assertStringIncludes(refused(() => grid({ flags: { "--samples": 8 } })), "without dashes");
  assertStringIncludes(refused(() => grid({ models: ["a/m", "b/m"] })), "a/m and b/m are both called m");
  for (
    const twice of [{ models: ["a/m", "a/m"] }, { methods: ["ria", "ria"] }, { sparsities: [0.5, 0.50] }, {
      seeds: [1, 1],
    }]
  ) {
    assertStringIncludes(refused(() => grid(twice)), "stands there twice");
  }
  const two = sweepText(expandGrid(grid({ seeds: [0, 1] }), () => true));
  assertEquals(refused(() => readSweepLine(two, "s.jsonl", 2)), "--index 2: s.jsonl has 2 plans, 0 to 1");
  assertStringIncludes(refused(() => readSweepLine("", "s.jsonl", 0)), "found none");
  assertStringIncludes(refused(() => readSweepLine("nonsense", "s.jsonl", 0)), "s.jsonl, plan 0: not a plan");
  assertStringIncludes(refused(() => readSweepLine('{"model":"m"}', "s.jsonl", 0)), "model and out among them");
});

Deno.test("a plan is named by flags in both forms, or by what a scheduler sets", () => {
  const none = () => undefined, slurm = (name: string) => name === "SLURM_ARRAY_TASK_ID" ? "7" : undefined;
  const kubernetes = (name: string) => name === "JOB_COMPLETION_INDEX" ? "3" : undefined;
  assertEquals(takePlans(["--plans", "s", "--resume", "--index=4"], slurm), {
    plans: "s",
    index: "4",
    from: "--index",
    rest: ["--resume"],
  });
  assertEquals(takePlans(["--plans=s"], slurm), { plans: "s", index: "7", from: "SLURM_ARRAY_TASK_ID", rest: [] });
  assertEquals(takePlans(["--plans=s"], kubernetes).index, "3");
  assertEquals(takePlans(["-m", "x", "--", "--plans", "s"], none).rest, ["-m", "x", "--", "--plans", "s"]);
});
