/** Several runs side by side, a comparison in its place, and what a run's page keeps apart. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import type { Json } from "../../src/run/record.ts";
import type { Registry } from "../../src/run/registry.ts";
import { curve, linear, manifest, task } from "../run/runs.ts";
import { findViolations } from "./browser.ts";
import { GROUP, NAMES } from "./fixture.ts";
import { testPage } from "./page.ts";

const TEXT = { description: "wikitext2 test", sequences: 4, seqlen: 256, sha256: "12".repeat(32) };

/** A run of its own plan, with perplexities on a text by label. */
function add(
  registry: Registry,
  planId: string,
  plan: { kind: "prune" | "eval" | "compare" | "finetune"; request: Record<string, Json> },
  measured: Record<string, number> = {},
  evaluation = TEXT,
): string {
  const { plan: standard, ...rest } = manifest({ planId });
  const id = registry.begin({ ...rest, plan: { ...standard, ...plan } });
  for (const [label, perplexity] of Object.entries(measured)) {
    registry.perplexity(id, { label, perplexity, evaluation });
  }
  return id;
}

const COMPARE = { methods: ["wanda", "wanda+owl"], sparsities: ["0.5", "2:4"], samples: [8, 16], seeds: [0, 1] };

/** The texts of a table's rows. */
const rowsOf = async (page: Page, name: string | RegExp) =>
  (await page.getByRole("table", { name }).locator("tbody tr").allInnerTexts()).map((row) =>
    row.trim().split(/\s*\t\s*/)
  );

testPage(
  "an eval beside a compare says that neither has linears, and not that they are identical",
  async (page, it) => {
    const evaluation = add(it.registry, "00000000000000e1", { kind: "eval", request: {} }, { dense: 20 });
    const comparison = add(it.registry, "00000000000000e2", { kind: "compare", request: COMPARE }, { dense: 20 });
    await page.evaluate(`location.hash = "#/compare/${evaluation},${comparison}"`);
    await page.getByText("None of them has linears").waitFor();
    assertEquals(await page.getByText("dentical").count(), 0);
    const rows = await rowsOf(page, "What came of the runs");
    assertEquals(rows[1], ["perplexity, dense, on wikitext2 test, 4 windows of 256 tokens", "20", "20 (±0)"]);
  },
);

testPage(
  "three runs stand side by side: deltas, what differs in their plans, errors as lines, every linear",
  async (page, it) => {
    const { registry, ids: [first] } = it;
    const others = ([["ea", 0.6, 1], ["eb", 0.5, 1]] as const).map(([end, sparsity, seed]) => {
      const id = add(
        registry,
        `00000000000000${end}`,
        { kind: "prune", request: { method: "wanda", sparsity, seed } },
        {
          pruned: 30 + seed,
        },
        { ...TEXT, seqlen: 128 },
      );
      for (const name of NAMES) {
        registry.linear(id, { ...linear(name), sparsity, outputError: sparsity / 10, weightSha256: end.repeat(32) });
      }
      registry.finish(id, { phases: {}, peakBytes: 2 ** 31 });
      return id;
    });
    for (const id of [first, ...others]) await page.getByLabel(`choose ${id}`).check();
    await page.getByRole("button", { name: "Compare three chosen runs" }).click();
    await page.getByRole("heading", { name: "Three runs compared" }).waitFor();
    await page.getByText("Of 2 linears that all have, 2 have the same mask and 0 the same weights").waitFor();
    const results = new Map((await rowsOf(page, "What came of the runs")).map(([what, ...values]) => [what, values]));
    assertEquals(results.get("sparsity"), ["50.0 %", "60.0 % (+10.0 %)", "50.0 % (±0)"]);
    assertEquals(results.get("output error, mean"), ["1.23 %", "6 % (+4.77 %)", "5 % (+3.77 %)"]);
    assertEquals(results.get("perplexity, on wikitext2 test, 4 windows of 128 tokens"), [
      "31.5",
      "31 (-0.5)",
      "31 (-0.5)",
    ]);
    assertEquals(results.get("peak memory"), ["1 GiB", "2 GiB (+1 GiB)", "2 GiB (+1 GiB)"]);
    assertEquals(await rowsOf(page, "What is not the same in the plans"), [
      ["request.sparsity", "0.5", "0.6", "0.5"],
      ["request.seed", "–", "1", "1"],
    ]);
    await page.getByRole("img", {
      name: /^Relative output error by block, mean of all linears: first try, 1 points; wanda 60 %/,
    })
      .waitFor();
    await page.getByRole("combobox", { name: "linears" }).selectOption("mlp.down_proj");
    await page.getByRole("img", { name: /^Relative output error by block, mlp.down_proj/ }).waitFor();
    assertEquals((await rowsOf(page, "Linears of the runs")).length, 2);
    assertEquals(await page.getByRole("button", { name: /^Copy the command of/ }).count(), 3);
    assertEquals(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
    assertEquals(await findViolations(page), []);
  },
);

testPage(
  "a comparison's table and plots stand in its run, by method and sparsity, samples and seeds",
  async (page, { registry }) => {
    const labels = { dense: 20, "wanda 0.5": 30, "wanda+owl 0.5": 29, "wanda 2:4": 50 };
    const drawn = { "wanda 0.5, 8 samples, seed 0": 34, "wanda 0.5, 8 samples, seed 1": 36 };
    const id = add(registry, "00000000000000e3", { kind: "compare", request: COMPARE }, { ...labels, ...drawn });
    registry.perplexity(id, {
      label: "wanda+owl 2:4",
      perplexity: 49,
      evaluation: TEXT,
      sparsity: 0.5,
      cost: { metricSeconds: 0.5, seconds: 70, peakBytes: 3 * 2 ** 29 },
    });
    registry.finish(id, { phases: {} });
    await page.evaluate(`location.hash = "#/runs/${id}"`);
    await page.getByRole("heading", { name: "What it found" }).waitFor();
    const rows = await rowsOf(page, "Comparison");
    assertEquals(rows.map(([method, asked, , perplexity, toDense]) => [method, asked, perplexity, toDense]), [
      ["dense", "–", "20", "1 x"],
      ["wanda", "50 %", "30", "1.5 x"],
      ["wanda+owl", "50 %", "29", "1.45 x"],
      ["wanda", "2:4", "50", "2.5 x"],
      ["wanda+owl", "2:4", "49", "2.45 x"],
    ]);
    assertEquals(rows.at(-1)!.slice(5), ["0.5 s", "1 min 10 s", "1.5 GiB"]);
    assertEquals((await rowsOf(page, "Perplexity by calibration sequences"))[0], [
      "wanda",
      "8",
      "35",
      "1.414",
      "34, 36",
    ]);
    await page.getByRole("img", { name: /^Perplexity by sparsity: tiny/ }).waitFor();
    await page.getByRole("img", { name: /^Perplexity by the number of calibration sequences/ }).waitFor();
    assertEquals(await page.getByRole("grid").count(), 0);
    assertEquals(await findViolations(page), []);
  },
);

testPage(
  "one text in other windows is another protocol: its perplexities have a table of their own",
  async (page, it) => {
    const { registry, ids: [finished] } = it, short = registry.get(finished)!.perplexities[0].evaluation;
    const long = { ...short, seqlen: 2 * short.seqlen, sequences: short.sequences / 2 };
    add(registry, "00000000000000e4", { kind: "eval", request: {} }, { dense: 20 }, long);
    const other = add(registry, "00000000000000e5", { kind: "prune", request: { method: "ria", sparsity: 0.5 } }, {
      pruned: 33,
    }, short);
    registry.perplexity(finished, { label: "pruned", perplexity: 28, evaluation: long });
    await page.getByRole("link", { name: finished }).click();
    await page.getByRole("heading", { name: "Perplexity" }).waitFor();
    const cells = async (name: string) => (await rowsOf(page, name)).map((row) => row.slice(0, 4));
    assertEquals(await cells("wikitext2 test, 4 windows of 128 tokens"), [
      ["wanda 50 %", "this run", "31.5", "–"],
      ["ria 50 %", other, "33", "–"],
    ]);
    assertEquals(await cells("wikitext2 test, 2 windows of 256 tokens"), [
      ["dense", "–", "20", "1 x"],
      ["wanda 50 %", "this run", "28", "1.4 x"],
    ]);
  },
);

testPage(
  "rounding is no contrast: linears of one sparsity have one colour, and a scale that says how little they differ",
  async (page, it) => {
    const { registry, ids: [, , live] } = it;
    NAMES.forEach((name, at) =>
      registry.linear(live, { ...linear(name), sparsity: 0.5 + at * 1e-6, outputError: 0.01 + at / 50 })
    );
    await page.getByRole("link", { name: live }).click();
    const cells = page.getByRole("gridcell");
    await cells.nth(1).waitFor();
    /** How far up the scale each is. */
    const shares = async () => {
      const styles = await cells.evaluateAll((all) => all.map((one) => one.getAttribute("style") ?? ""));
      return styles.map((style) => Number(/--share: (.*);/.exec(style)?.[1]));
    };
    const [a, b] = await shares();
    assert(Math.abs(a - 0.5) < 0.01 && Math.abs(a - b) < 0.01, `${a}, ${b}`);
    await page.getByText("sparsity: 47.5 %").waitFor();
    await page.getByLabel("relative output error").check();
    await page.getByText("relative output error: 1 %").waitFor();
    assertEquals(await shares(), [0, 1]);
  },
);

testPage(
  "a linear's plots have words at their axes, and its numbers are to be had as a table",
  async (page, { ids }) => {
    await page.getByRole("link", { name: ids[0] }).click();
    await page.getByText("The same in numbers").click();
    const rows = await rowsOf(page, "Linears");
    assertEquals(rows.map(([name]) => name), [...NAMES]);
    assertMatch(rows[0].join(), /576,1536,50.0 %,1.23 %,diagonal,0.25 s/);
    await page.getByRole("gridcell").first().click();
    await page.getByText("inputs →").waitFor();
    await page.getByText("outputs →").waitFor();
    assertEquals(await findViolations(page), []);
  },
);

testPage(
  "benchmarks stand in the list by run, in a run, and side by side with their paired difference, beside chance",
  async (page, it) => {
    const { registry, ids: [first] } = it, second = add(registry, "00000000000000e5", { kind: "eval", request: {} });
    for (const { record, documents } of [task("boolq", [0, 0, 0, 1]), task("rte", [1, 0, 1])]) {
      registry.task(second, { ...record, label: "dense" }, documents);
    }
    registry.task(second, { ...GROUP, label: "dense" });
    registry.label(second, { name: "second" });
    await page.reload();
    await page.getByText("Benchmarks of these runs").click();
    const chance = ["chance", "–", "50.0", "50.0", "50.0"];
    assertEquals(await rowsOf(page, "Accuracy by run"), [
      chance,
      [second, "second", "54.0 ± 20.0", "25.0 ± 25.0", "66.7 ± 33.3"],
      [first, "first try", "54.0 ± 20.0", "75.0 ± 25.0", "33.3 ± 33.3"],
    ]);
    await page.evaluate(`location.hash = "#/runs/${second}"`);
    await page.getByRole("heading", { name: "Benchmarks" }).waitFor();
    assertEquals((await rowsOf(page, "Benchmarks"))[0].slice(0, 6), ["boolq", "25.0", "25.0", "0.0", "0.0", "50.0"]);
    await page.evaluate(`location.hash = "#/compare/${first},${second}"`);
    await page.getByRole("table", { name: "Benchmarks of the runs" }).waitFor();
    // Two of four lost and none won: 2 * 1 / 2 ** 2 = 0.5; -50 points, of deviation 1 / √3 over √4.
    const [row] = await rowsOf(page, "Benchmarks of the runs");
    assertEquals(row.slice(1), ["acc", "50.0", "75.0 ± 25.0", "25.0 ± 25.0", "-50.00", "28.87", "0.5", "0", "2"]);
    assertEquals(await findViolations(page), []);
    // Of a live run they come as they are answered.
    const live = it.ids[2], { record, documents } = task("piqa", [1, 1, 0]);
    await page.evaluate(`location.hash = "#/runs/${live}"`);
    await page.getByRole("heading", { name: `Run ${live}` }).waitFor();
    assertEquals(await page.getByRole("heading", { name: "Benchmarks" }).isVisible(), false);
    registry.task(live, record, documents);
    await page.getByRole("cell", { name: "piqa" }).waitFor();
    await page.setViewportSize({ width: 390, height: 800 });
    const wide = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");
    assertEquals(wide, false);
  },
);

testPage(
  "trainings are plotted, one live and several over each other, with every point in numbers",
  async (page, it) => {
    const { registry } = it, evaluation = { ...TEXT, protocol: "held out" };
    const trained = (["lora", "full"] as const).map((method, at) => {
      const { plan, ...rest } = manifest({ planId: `00000000000000e${7 + at}` });
      const id = registry.begin({ ...rest, plan: { ...plan, kind: "finetune", request: { method }, evaluation } });
      for (const point of curve(3)) registry.curve(id, { ...point, seconds: point.seconds * (at + 1) });
      registry.perplexity(id, { label: "pruned", perplexity: 30, evaluation, sparsity: 0.5 });
      return id;
    });
    const [first, second] = trained, plot = (text: string) => page.getByRole("img", { name: text });
    await page.evaluate(`location.hash = "#/runs/${first}"`);
    await page.getByRole("heading", { name: "Training" }).waitFor();
    for (
      const [what, points] of [
        ["Perplexity on the held-out text by minute", 3],
        ["Perplexity on the held-out text by step", 3],
        ["Loss by step", 3],
        ["Learning rate by step", 3],
      ]
    ) await plot(`${what}: lora, ${points} points`).waitFor();
    // What is heard of it while it runs is drawn.
    registry.curve(first, { kind: "step", step: 4, loss: 2, rate: 0, norm: 1, seconds: 500 });
    await plot("Loss by step: lora, 4 points").waitFor();
    registry.perplexity(first, { label: "tuned", perplexity: 26, evaluation, sparsity: 0.5 });
    await page.getByRole("row", { name: "lora this run 26" }).waitFor();
    await page.getByText("The same in numbers").first().click();
    assertEquals((await rowsOf(page, "Points of the training"))[0], [
      ...["step", "1", "3.5", "0.0001", "2", "–", "30.0 s"],
    ]);
    await page.evaluate(`location.hash = "#/compare/${first},${second}"`);
    await plot("Perplexity on the held-out text by minute: lora, 3 points; full, 3 points").waitFor();
    await plot("Loss by step: lora, 4 points; full, 3 points").waitFor();
    // The newest is what a training is listed with, not what it began from.
    await page.evaluate(`location.hash = "#/"`);
    await page.getByRole("row").filter({ hasText: first }).getByText("26", { exact: true }).waitFor();
    // A reconstruction has blocks alone.
    const { plan, ...rest } = manifest({ planId: "00000000000000e9" });
    const fitted = registry.begin({ ...rest, plan: { ...plan, request: { method: "wanda", sparsity: 0.5 } } });
    for (const block of [0, 1]) {
      registry.curve(fitted, {
        kind: "block",
        block,
        before: 0.2,
        after: 0.1,
        seconds: block,
      });
    }
    await page.evaluate(`location.hash = "#/runs/${fitted}"`);
    await page.getByRole("heading", { name: "Reconstruction" }).waitFor();
    await plot("wanda 50 %, reconstructed, 2 points; wanda 50 %, before, 2 points").waitFor();
    assertEquals(await findViolations(page), []);
  },
);
