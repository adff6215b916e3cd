/** `deno task sweep` and what runs its plans: from a grid to pruned models, in processes as a user starts them. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { AUSTEN, HELD_OUT, ROOT, run, runJson, TOKENS } from "./commands.ts";

async function withGrid(
  test: (folder: string, grid: string) => Promise<void>,
  more: Record<string, unknown> = {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-sweep-" }), path = join(folder, "grid.json");
  const grid = {
    models: [AUSTEN],
    methods: ["magnitude", "wanda"],
    seeds: [0, 1],
    flags: { calibration: TOKENS },
    ...more,
  };
  try {
    await Deno.writeTextFile(path, JSON.stringify(grid));
    await test(folder, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a sweep's plans are pruned, known when they are done, evaluated, and tagged as one", () =>
  withGrid(async (folder, grid) => {
    const plans = join(folder, "sweep.jsonl"), runs = join(folder, "runs.db");
    const dry = await runJson("sweep", grid, "--runs", runs);
    assertEquals([dry.plans, dry.done, dry.unknown.seconds, dry.unknown.bytes], [3, 0, 3, 0]);
    const size = (await Deno.stat(join(AUSTEN, "model.safetensors"))).size;
    assertEquals(dry.bytes, 3 * size);
    await runJson("sweep", grid, "--out", plans);
    const again = await run("sweep", grid, "--out", plans);
    assertEquals(again.code, 2);
    assertStringIncludes(again.err, "it exists; --force replaces it");

    const first = await runJson("prune", "--plans", plans, "--index", "1", "--runs", runs);
    assertEquals(first.out, join(folder, "pruned/Austen-700K/wanda-0.5-seed0"));
    const second = await runJson("prune", "--plans", plans, "--index", "1", "--runs", runs);
    assertEquals([second.done, second.run], [true, first.run]);
    // The same as without a sweep, to the plan's identity.
    const out = join(folder, "by-hand");
    const plain = await runJson("prune", "--model", AUSTEN, "--calibration", TOKENS, "--out", out, "--runs", "none");
    assertEquals(plain.run, first.run);
    await runJson("eval", "--plans", plans, "--index=1", "--corpus", HELD_OUT, "--windows", "2", "--runs", runs);

    const after = await runJson("sweep", grid, "--runs", runs);
    assertEquals([after.done, after.unknown.seconds], [1, 1]);
    const listed = await runJson("pare", "runs", "list", "--tag", "sweep-grid", "--runs", runs);
    assertEquals(listed.runs.length, 2);
  }));

Deno.test("a plan that prune would refuse, and a number that no plan has, are refused in a line", () =>
  withGrid(async (folder, grid) => {
    const refuse = async (...args: string[]) => {
      const { code, out, err } = await run(args[0], ...args.slice(1));
      assertEquals([code, out], [2, ""], err);
      assertEquals(err.trimEnd().split("\n").length, 1);
      return err;
    };
    assertStringIncludes(await refuse("sweep", grid), "plan 0: --pattern 4:2: expected n:m");
    const [listed, plans] = ["l.json", "s.jsonl"].map((name) => join(folder, name));
    await Deno.writeTextFile(listed, JSON.stringify({ models: [AUSTEN], flags: { samples: [1, 2] } }));
    assertStringIncludes(await refuse("sweep", listed), "plan 0: flags.samples: a list, and prune takes one");
    await Deno.writeTextFile(plans, '{"model":"m","out":"o"}\n');
    assertStringIncludes(await refuse("prune", "--plans", plans, "--index", "1"), "has 1 plan, 0");
    assertStringIncludes(await refuse("prune", "--plans", plans), "--plans needs --index");
    assertStringIncludes(await refuse("prune", "--plans", plans, "--index", "-1"), "expected a whole number");
    assertStringIncludes(await refuse("prune", "--plans", plans, "--index", "0", "-m", "n"), "given twice: m and n");
    assertStringIncludes(await refuse("prune", "--plans", "nowhere", "--index", "0"), "cannot be read");
    assertStringIncludes(await refuse("prune", "--index", "0"), "name --plans too");
  }, { patterns: ["4:2"] }));

Deno.test("the grid that comes with Pare can be swept", async () => {
  const { plans, unknown } = await runJson("sweep", `${ROOT}examples/sweep/grid.json`, "--runs", "none");
  assertEquals([plans, unknown.bytes], [10, 0]);
});
