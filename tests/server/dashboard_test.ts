/** The dashboard in headless Chromium: what it shows, live, by keyboard, in light and dark, with nobody else's help. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { findViolations } from "./browser.ts";
import { AUSTEN, start } from "../scripts/commands.ts";
import { linear, manifest } from "../run/runs.ts";
import { NAMES } from "./fixture.ts";
import { testPage } from "./page.ts";

/** Of Austen-700K: six blocks of seven. */
const LINEARS = 42;

const TOKEN = "0123456789abcdef";

testPage("the list has every run with its status, and links to it", async (page, { ids }) => {
  await page.getByRole("link", { name: ids[0] }).waitFor();
  assertEquals(await page.locator("tbody tr").count(), 3);
  assertEquals(await page.locator(".status.failed").innerText(), "failed");
  await page.getByRole("link", { name: ids[0] }).click();
  await page.getByRole("heading", { name: `Run ${ids[0]}` }).waitFor();
  assertEquals(await page.title(), `Run ${ids[0]} · Pare`);
});

testPage("filters leave the runs that agree", async (page, { ids }) => {
  await page.getByLabel("method").fill("magnitude");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.locator("tbody tr").nth(1).waitFor({ state: "detached" });
  assertEquals(await page.locator("tbody .id").allInnerTexts(), [ids[1]]);
});

testPage("a run updates live while another process writes it", async (page, { path, registry, ids }) => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL("./live_writer.ts", import.meta.url).pathname, path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter(), reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const step = () => writer.write(new TextEncoder().encode("\n"));
  const id = (await reader.read()).value!.trim();
  assert(!ids.includes(id));
  await page.getByRole("link", { name: id }).click();
  await page.getByText("No linear is done yet").waitFor();
  await step();
  await page.getByRole("gridcell", { name: "q_proj of block 0: sparsity 50.0 %" }).waitFor();
  await page.getByText("prune, block 1 of 2").waitFor();
  await step();
  await page.getByText("finished", { exact: true }).waitFor();
  await page.getByRole("row", { name: "wanda 50 % this run 31.5" }).waitFor();
  await writer.close();
  await reader.cancel();
  assertEquals((await child.status).success, true);
  assertEquals(registry.get(id)?.status, "finished");
});

testPage("a real prune is followed from its beginning to its end", async (page, { path }) => {
  const args = [
    "--calibration",
    "sample",
    "--samples",
    "64",
    "--backend",
    "wasm",
    "--out",
    `${path}.out`,
    "--runs",
    path,
  ];
  const ended = start("prune", "--model", AUSTEN, ...args).output();
  const row = page.getByRole("row").filter({ hasText: "Austen-700K" });
  await row.getByRole("progressbar").waitFor();
  await row.getByRole("link").click();
  const done = page.getByRole("gridcell", { name: /: sparsity 50\.0 %$/ });
  await done.first().waitFor();
  assert(await done.count() < LINEARS, "the first linears are shown before the last are done");
  await page.getByText("finished", { exact: true }).waitFor();
  assertEquals(await done.count(), LINEARS);
  assertEquals((await ended).code, 0);
});

testPage("the heat map is one stop of the keyboard: arrows move in it, Enter opens a linear", async (page, { ids }) => {
  await page.getByRole("link", { name: ids[0] }).click();
  const grid = page.getByRole("grid");
  await grid.waitFor();
  assertEquals(await grid.locator('[tabindex="0"]').count(), 1);
  await grid.locator('[tabindex="0"]').focus();
  await page.keyboard.press("ArrowDown");
  assertMatch(await page.locator(":focus").getAttribute("aria-label") ?? "", /^mlp\.down_proj of block 0/);
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: NAMES[1] }).waitFor();
  assertMatch(await page.locator(":focus").getAttribute("aria-selected") ?? "", /true/);
  await page.getByRole("img", { name: "Scores and the threshold: 128 bins from 0 to 9" }).waitFor();
  await page.getByRole("img", { name: /Share of removed weights in 64 by 64 cells/ }).waitFor();
});

testPage("the command that reproduces a run is there to copy", async (page, { ids }) => {
  await page.getByRole("link", { name: ids[0] }).click();
  const copy = page.getByRole("button", { name: "Copy" });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await copy.click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assertEquals(await page.evaluate("navigator.clipboard.readText()"), "deno task prune --model tiny");
});

testPage("a run stands beside the dense model and other methods, by the evals of what they wrote", async (page, it) => {
  const { registry, ids: [finished] } = it, evaluation = registry.get(finished)!.perplexities[0].evaluation;
  const evaluate = (path: string, sha256: string, label: string, perplexity: number) => {
    const { plan, ...rest } = manifest({ planId: sha256.slice(0, 16) });
    const model = { name: label, sha256 };
    const inputs = [{ path, bytes: 1, sha256 }];
    const id = registry.begin({ ...rest, inputs, plan: { ...plan, kind: "eval", model, request: {} } });
    registry.perplexity(id, { label, perplexity, evaluation });
    registry.finish(id, { phases: {} });
  };
  const ria = registry.begin(manifest({ planId: "00000000000000ee", method: "ria", pattern: "2:4" }), "/ria");
  registry.finish(ria, { phases: {} });
  // Nothing is read within the millisecond in which it was begun to be written.
  await page.waitForTimeout(5);
  evaluate("/models/tiny/model.safetensors", "ab".repeat(32), "tiny", 20);
  evaluate("/ria/model.safetensors", "cd".repeat(32), "ria", 40);
  evaluate("/other/model.safetensors", "ef".repeat(32), "other", 10);
  await page.getByRole("link", { name: finished }).click();
  const table = page.getByRole("table", { name: "Perplexities, the best first" });
  await table.waitFor();
  assertEquals((await table.locator("tbody tr").allInnerTexts()).map((row) => row.trim().split(/\s*\t\s*/)), [
    ["dense", "–", "20", "1 x"],
    ["wanda 50 %", "this run", "31.5", "1.575 x"],
    ["ria 2:4", ria, "40", "2 x"],
  ]);
});

testPage("a bench shows what it measured, both sides of each ratio", async (page, { registry }) => {
  const { plan, ...rest } = manifest({ planId: "00000000000000be" });
  const id = registry.begin({
    ...rest,
    plan: { ...plan, kind: "bench", request: { parts: ["weights"], quick: false } },
  });
  const side = (label: string, median: number) => ({ label, unit: "GB/s", median, min: 1, max: 9, n: 3 });
  const ratio = { name: "dense / stream", ours: side("dense", 6), theirs: side("memory", 8), ratio: 0.75 };
  registry.finish(id, { phases: { bench: 2 }, ratios: [{ ...ratio, target: { least: 0.75 } }] });
  await page.reload();
  await page.getByRole("link", { name: id }).click();
  const table = page.getByRole("table", { name: "Ratios" });
  await table.waitFor();
  assertEquals((await table.locator("tbody tr").allInnerTexts()).map((row) => row.trim().split(/\s*\t\s*/)), [
    ["dense / stream", "0.75", "≥ 0.75", "6 GB/s dense", "8 GB/s memory", "3"],
  ]);
});

testPage("two chosen runs are compared", async (page, { ids }) => {
  for (const id of ids.slice(0, 2)) await page.getByLabel(`choose ${id}`).check();
  await page.getByRole("button", { name: "Compare two chosen runs" }).click();
  await page.getByText("have the same mask").waitFor();
  assertEquals(await page.getByRole("cell", { name: "differs" }).count(), 1);
  assertEquals(await page.getByRole("cell", { name: "only one" }).count(), 2);
});

testPage("with a token, it is asked for once, and then events come with it too", async (page, { registry, ids }) => {
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Show runs" }).click();
  await page.getByRole("link", { name: ids[2] }).click();
  await page.getByText("No linear is done yet").waitFor();
  registry.linear(ids[2], linear(NAMES[0]));
  await page.getByRole("gridcell", { name: "q_proj of block 0" }).waitFor();
}, { token: TOKEN, expected: "status of 401" });

testPage("older runs come when asked for, and the list goes on to be looked at", async (page, { registry, ids }) => {
  const more = Array.from({ length: 50 }, () => registry.begin(manifest()));
  await page.reload();
  await page.getByRole("button", { name: "Older runs" }).click();
  await page.getByRole("link", { name: ids[0], exact: true }).waitFor();
  assertEquals(await page.locator("tbody tr").count(), more.length + ids.length);
  const newest = registry.begin(manifest());
  await page.getByRole("link", { name: newest, exact: true }).waitFor();
  assertEquals(await page.getByRole("button", { name: "Older runs" }).isVisible(), false);
});

testPage("what the server refuses is said on the page", async (page) => {
  await page.evaluate("location.hash = '#/compare/none'");
  await page.getByRole("alert").filter({ hasText: "runs: expected two ids" }).waitFor();
}, { expected: "status of 400" });

testPage("on the narrowest window that WCAG knows nothing stands beyond its edge", async (page, { ids }) => {
  // 1.4.10, Reflow: 320 CSS pixels.
  await page.setViewportSize({ width: 320, height: 640 });
  const beyond = () => page.evaluate("document.documentElement.scrollWidth - innerWidth");
  await page.getByRole("link", { name: ids[0] }).waitFor();
  assertEquals(await beyond(), 0);
  await page.getByRole("link", { name: ids[0] }).click();
  await page.getByRole("gridcell").first().click();
  await page.getByRole("region", { name: NAMES[0] }).waitFor();
  assertEquals(await beyond(), 0);
  assertEquals(await findViolations(page), []);
  await page.evaluate(`location.hash = "#/compare/${ids[0]},${ids[1]}"`);
  await page.getByRole("heading", { name: "Two runs compared" }).waitFor();
  assertEquals(await beyond(), 0);
  assertEquals(await findViolations(page), []);
});

testPage("axe is not blind: it names a button without a name", async (page) => {
  await page.getByRole("button").first().waitFor();
  await page.evaluate("document.querySelector('button').textContent = ''");
  assertMatch((await findViolations(page)).join(), /^button-name: <button/);
});

for (const scheme of ["light", "dark"] as const) {
  testPage(`axe finds nothing serious on any page, ${scheme}`, async (page, { ids }) => {
    await page.getByRole("link", { name: ids[0] }).waitFor();
    assertEquals(await findViolations(page), []);
    await page.getByRole("link", { name: ids[0] }).click();
    await page.getByRole("gridcell").first().click();
    await page.getByRole("region", { name: NAMES[0] }).waitFor();
    assertEquals(await findViolations(page), []);
    const root = new URL(page.url()).origin;
    await page.goto(`${root}/#/compare/${ids[0]},${ids[1]}`);
    await page.getByRole("heading", { name: "Two runs compared" }).waitFor();
    assertEquals(await findViolations(page), []);
    await page.goto(`${root}/docs`);
    await page.locator("details").evaluateAll((all) => all.forEach((one) => one.setAttribute("open", "")));
    assertEquals(await findViolations(page), []);
  }, { scheme });
}
