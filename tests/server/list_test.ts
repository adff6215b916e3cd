/** The list of runs as a place to work in: what is found and kept in it, with no run, one and two hundred, at a desk and on a phone. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { manifest } from "../run/runs.ts";
import { findViolations } from "./browser.ts";
import { testPage } from "./page.ts";
import { populate } from "./populate.ts";

const EVALUATION = { description: "wikitext2 test", sequences: 4, seqlen: 128, sha256: "12".repeat(32) };

/** Two hundred runs of a linear each in place of the fixture's. */
const many = {
  empty: true,
  fill: ({ path }: { path: string }) => populate(path, { count: 200, live: 0, blocks: 0 })[Symbol.dispose](),
};

testPage(
  "a live run's box stays through refreshes, and what was chosen stays chosen",
  async (page, { registry, ids }) => {
    const live = ids[2], box = page.getByLabel(`choose ${live}`);
    await box.check();
    for (const done of [20, 30]) {
      registry.progress(live, { phase: "observe", block: done, blocks: 40, done, total: 300 });
      await page.getByText(`observe, block ${done + 1} of 40`).waitFor();
      assertEquals([await box.count(), await box.isChecked()], [1, true]);
    }
    assertEquals(await page.locator(`tbody tr`).count(), 3);
    assertEquals(await page.getByRole("checkbox").count(), 3);
  },
);

testPage("after filter, Older and clear, older runs are still to be had", async (page) => {
  const rows = page.locator("tbody tr"), older = page.getByRole("button", { name: "Older runs" });
  await older.waitFor();
  await page.getByLabel("method").fill("wanda");
  await page.getByRole("button", { name: "Filter" }).click();
  const filtered = await rows.count();
  assert(filtered > 0 && filtered < 50, `${filtered}`);
  assertEquals(await older.isVisible(), false);
  await page.getByRole("button", { name: "Clear" }).click();
  assertEquals(await rows.count(), 50);
  for (const count of [100, 150, 200]) {
    await older.click();
    await rows.nth(count - 1).waitFor();
    assertEquals(await rows.count(), count);
  }
  assertEquals(await older.isVisible(), false);
}, many);

testPage("a part of a word filters, in any case, and the address keeps filter and order", async (page) => {
  await page.locator("tbody tr").nth(49).waitFor();
  await page.getByLabel("model").pressSequentially("SMOL");
  await page.getByLabel("search").fill("2:4");
  await page.getByRole("button", { name: "perplexity" }).click();
  assertEquals(await page.getByRole("columnheader", { name: "perplexity" }).getAttribute("aria-sort"), "ascending");
  const shown = () => page.locator("tbody tr").allInnerTexts();
  const before = await shown();
  assert(before.length > 3);
  // A comparison of several patterns has it among them.
  for (const row of before) assertMatch(row, /SmolLM2[^]*(2:4|compare)/);
  assertMatch(page.url(), /#\/\?search=2%3A4&model=SMOL&sort=perplexity&order=asc$/);
  await page.reload();
  await page.locator("tbody tr").first().waitFor();
  assertEquals(await shown(), before);
  assertEquals(await page.getByLabel("model").inputValue(), "SMOL");
  const numbers = before.map((row) => Number(/\t(\d[\d.]*)(?: \(.*\))?\twiki/.exec(row)?.[1])).filter(Boolean);
  assert(numbers.length > 2);
  await page.getByRole("button", { name: "perplexity" }).click();
  assertMatch(page.url(), /order=desc$/);
  await page.locator("tbody a").first().click();
  await page.getByText("Command that reproduces it").waitFor();
  await page.goBack();
  await page.locator("tbody tr").first().waitFor();
  assertEquals(await page.getByLabel("search").inputValue(), "2:4");
}, many);

testPage("what no run agrees with is said, and is not the page of the beginning", async (page) => {
  await page.getByLabel("search").fill("no such thing");
  await page.getByText("No run agrees with the filter.").waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.locator("tbody tr").nth(2).waitFor();
});

testPage(
  "without any run the page says how to begin, and the first run shows up by itself",
  async (page, { registry }) => {
    await page.getByText("No run has been recorded yet").waitFor();
    assertStringIncludes(await page.locator("pre").first().innerText(), "deno task prune --model");
    assertEquals(await page.getByRole("table").count(), 0);
    assertEquals(await findViolations(page), []);
    const id = registry.begin(manifest());
    await page.getByRole("link", { name: id }).waitFor();
    assertEquals(await page.getByText("No run has been recorded yet").count(), 0);
  },
  { empty: true },
);

testPage("a run that was removed goes from the list", async (page, { registry, ids }) => {
  await page.getByRole("link", { name: ids[1] }).waitFor();
  registry.remove(ids[1]);
  await page.getByRole("link", { name: ids[1] }).waitFor({ state: "detached" });
  assertEquals(await page.locator("tbody tr").count(), 2);
}, { expected: "status of 404" });

testPage(
  "a server that answers no more is said above what is old, and no more so when it answers again",
  async (page) => {
    await page.locator("tbody tr").nth(2).waitFor();
    await page.route("**/api/**", (route) => route.abort("connectionrefused"));
    const alert = page.getByRole("alert").filter({ hasText: "The server does not answer; what stands here is of" });
    await alert.waitFor();
    assertEquals(await findViolations(page), []);
    await page.unroute("**/api/**");
    await alert.waitFor({ state: "detached" });
  },
  { expected: "ERR_CONNECTION_REFUSED" },
);

testPage("a live run's page says it too, and goes on when the server is back", async (page, { registry, ids }) => {
  await page.route("**/events", (route) => route.abort("connectionrefused"));
  await page.getByRole("link", { name: ids[2] }).click();
  const alert = page.getByRole("alert").filter({ hasText: "The server does not answer" });
  await alert.waitFor();
  registry.fail(ids[2], "failed", "no more");
  await page.unroute("**/events");
  await alert.waitFor({ state: "detached" });
  await page.locator(".status.failed").waitFor();
}, { expected: "ERR_CONNECTION_REFUSED" });

testPage(
  "where the server has no room for another stream, a live run's page asks for the run instead",
  async (page, it) => {
    const { registry, ids: [, , live] } = it;
    await page.route("**/events", (route) => route.fulfill({ status: 503, json: { detail: "too many streams" } }));
    await page.getByRole("link", { name: live }).click();
    await page.getByRole("heading", { name: `Run ${live}` }).waitFor();
    await page.getByText("observe, block 2 of 30").waitFor();
    registry.finish(live, { phases: {} });
    await page.locator(".status.finished").waitFor();
    assertEquals(await page.locator("#lost").innerText(), "");
  },
  { expected: "status of 503" },
);

testPage("a compare shows the best that it pruned, by its name, and an eval its own", async (page, { registry }) => {
  const { plan, ...rest } = manifest({ planId: "00000000000000c0" });
  const request = { methods: ["wanda", "magnitude"], sparsities: ["0.5"], samples: null, seeds: [0] };
  const id = registry.begin({ ...rest, plan: { ...plan, kind: "compare", request } });
  for (const [label, perplexity] of [["dense", 20], ["wanda 0.5", 31.5], ["magnitude 0.5", 99]] as const) {
    registry.perplexity(id, { label, perplexity, evaluation: EVALUATION });
  }
  registry.finish(id, { phases: {} });
  const row = page.getByRole("row").filter({ hasText: id });
  await row.getByRole("cell", { name: "31.5 (wanda 50 %, best of 2)" }).waitFor();
  await row.getByRole("cell", { name: "wikitext2 test, 4 x 128" }).waitFor();
});

testPage("how long a live run takes goes on, with what is left and how fast it is", async (page, { registry, ids }) => {
  const live = ids[2];
  registry.progress(live, {
    phase: "propagate",
    block: 1,
    blocks: 30,
    done: 100,
    total: 300,
    rate: 50,
    memoryBytes: 2 ** 28,
  });
  await page.getByText("propagate, block 2 of 30, 4.0 s left").waitFor();
  await page.getByRole("link", { name: live }).click();
  const fact = (term: string) => page.locator(`dt:text-is("${term}") + dd`);
  assertEquals(await fact("left").innerText(), "4.0 s");
  assertEquals(await fact("rate").innerText(), "50 tokens/s through a block");
  assertEquals(await fact("memory now").innerText(), "256 MiB");
  const took = await fact("took").innerText();
  await page.locator(`dt:text-is("took") + dd:not(:text-is("${took}"))`).waitFor();
  registry.finish(live, { phases: {} });
  await fact("left").waitFor({ state: "detached" });
});

testPage("names, tags and notes stand with their runs, are searched, and never read as markup", async (page, it) => {
  const { registry, ids: [id] } = it, name = "<img src=x onerror=alert(1)>";
  registry.label(id, { name, tags: ["mine"], note: "keep\nthis one" });
  const row = page.getByRole("row").filter({ hasText: id });
  await row.getByText(name).waitFor();
  await page.getByLabel("search").fill("this one");
  await page.locator("tbody tr").nth(1).waitFor({ state: "detached" });
  await page.locator("tbody .tag").getByText("mine").waitFor();
  await page.getByRole("link", { name: id }).click();
  await page.getByRole("heading", { name }).waitFor();
  assertEquals(await page.locator(".note").innerText(), "keep\nthis one");
  assertEquals(await page.locator("main img").count(), 0);
});

testPage("a sweep's tag leads to its runs, how far they have come, and back", async (page, { registry, ids }) => {
  for (const id of [ids[0], ids[2]]) registry.label(id, { tags: ["sweep-a&b"] });
  await page.locator("tbody tr").nth(2).waitFor();
  await page.getByRole("link", { name: "sweep-a&b" }).first().click();
  await page.getByText("2 of 3 runs, 1 running, 1 finished").waitFor();
  assertEquals(await page.locator("tbody tr").count(), 2);
  assertEquals(await page.getByLabel("search").inputValue(), "sweep-a&b");
  registry.finish(ids[2], { phases: {} });
  await page.getByText("2 of 3 runs, 2 finished").waitFor();
  assertEquals(await findViolations(page), []);
  await page.getByRole("link", { name: ids[0] }).click();
  await page.getByRole("heading", { name: `Run ${ids[0]}` }).waitFor();
  await page.getByRole("link", { name: "sweep-a&b" }).click();
  await page.getByText("2 of 3 runs, 2 finished").waitFor();
});

testPage("every table is to be had as CSV and JSON, the list's whole and not only what is shown", async (page) => {
  await page.locator("tbody tr").nth(49).waitFor();
  await page.getByText("200 runs").waitFor();
  const save = async (form: string) => {
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: `Runs as ${form}` }).click();
    const download = await saved;
    return [download.suggestedFilename(), await Deno.readTextFile(await download.path())];
  };
  const [name, csv] = await save("CSV"), lines = csv.trimEnd().split("\r\n");
  assertEquals([name, lines.length], ["runs.csv", 201]);
  assertMatch(
    lines[0],
    /^run,name,tags,note,status,command,model,method,pattern,sparsity,perplexity,corpus,windows,seqlen/,
  );
  const [, json] = await save("JSON"), runs = JSON.parse(json);
  assertEquals(runs.length, 200);
  assertEquals(runs[0].run, lines[1].split(",")[0]);
}, many);

testPage("on a phone every run shows its method, sparsity and perplexity within the window", async (page, { ids }) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await page.getByRole("link", { name: ids[0] }).waitFor();
  for (const text of ["wanda", "50 %", "31.5", "finished", "wikitext2 test, 4 x 128"]) {
    const box = await page.getByRole("row").filter({ hasText: ids[0] }).getByText(text).first().boundingBox();
    assert(box && box.x >= 0 && box.x + box.width <= 390, text);
  }
  assertEquals(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
  assertEquals(await page.getByRole("row").count(), 4);
  assertEquals(await findViolations(page), []);
});

testPage("columns are sorted by keyboard too, and the plot of the list is drawn when it is opened", async (page) => {
  await page.locator("tbody tr").nth(49).waitFor();
  await page.getByRole("button", { name: "sparsity" }).focus();
  await page.keyboard.press("Enter");
  assertEquals(await page.getByRole("columnheader", { name: "sparsity" }).getAttribute("aria-sort"), "ascending");
  await page.getByText("Perplexity by sparsity of these runs").focus();
  await page.keyboard.press("Enter");
  const plot = page.getByRole("img", {
    name: /Perplexity by sparsity: Austen-700K, wikitext2 test, 16 windows of 512/,
  });
  await plot.waitFor();
  // The same text in other windows is another picture.
  await page.getByRole("img", { name: /Austen-700K, wikitext2 test, 64 windows of 128 tokens/ }).waitFor();
  assertEquals(await findViolations(page), []);
}, many);
