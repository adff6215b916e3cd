/** `pare runs`: what is listed, shown, labelled and removed, in a registry of the test's own. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { programs } from "../../scripts/runs.ts";
import { type Command, type Flags, parse, type Values } from "../../src/cli/flags.ts";
import type { Outcome } from "../../src/cli/run.ts";
import { PareError } from "../../src/errors.ts";
import { Registry } from "../../src/run/registry.ts";
import { linear, manifest } from "../run/runs.ts";

type Program = readonly [Command<Flags>, (values: Values<Flags>) => Promise<Outcome>];

/** Three runs, and how to ask of them as on a command line. */
async function withRuns(
  test: (ask: (...args: string[]) => Promise<Outcome>, ids: readonly string[], path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-runs-" }), path = join(folder, "runs.db");
  const ids: string[] = [];
  try {
    {
      using registry = Registry.open(path, { mode: "write" });
      for (const [planId, method, pattern] of [["aa11", "wanda"], ["bb22", "magnitude", "2:4"], ["bb33", "wanda"]]) {
        const id = registry.begin(manifest({ planId: planId.padEnd(16, "0"), method, pattern }), join(folder, planId));
        registry.linear(id, linear("model.layers.0.mlp.up_proj"));
        const evaluation = { description: "wikitext2 test", sequences: 10, seqlen: 2048, sha256: "12".repeat(32) };
        registry.perplexity(id, { label: "pruned", perplexity: 31.4159, evaluation });
        registry.finish(id, { phases: { prune: 75 }, peakBytes: 2 ** 28 });
        ids.push(id);
      }
    }
    const ask = async (subcommand: string, ...args: string[]) => {
      const [command, main] = await programs[`runs ${subcommand}`]() as Program;
      const values = parse(command, [...args, "--runs", path]);
      assert(values !== "help");
      return await main(values);
    };
    await test(ask, ids, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The ids of a list's JSON. */
const idsOf = ({ json }: Outcome) => (json.runs as { id: string }[]).map(({ id }) => id);

Deno.test("runs list shows the newest first, and those that are asked for", () =>
  withRuns(async (ask, [first, second, third]) => {
    const all = await ask("list");
    assertEquals(idsOf(all), [third, second, first]);
    assertEquals(all.text.split("\n").length, 5);
    assertStringIncludes(all.text, `${second}`);
    assertStringIncludes(all.text, "magnitude       2:4");
    assertStringIncludes(all.text, "31.42");
    assertEquals(idsOf(await ask("list", "--method", "wanda")), [third, first]);
    const page = await ask("list", "-n", "2");
    assertEquals([idsOf(page), page.text.endsWith("older ones: --limit N shows more")], [[third, second], true]);
    assertEquals((await ask("list", "--tag", "none")).text, "no such runs");
  }));

Deno.test("runs name, tag and note label a run, found by its id, the beginning of it or its name; empty takes away", () =>
  withRuns(async (ask, [first]) => {
    await ask("name", "aa11", "the", "best", "so", "far");
    await ask("tag", "the best so far", "paper", "half,x");
    const { json } = await ask("note", first, "seed 0, as in Table 2");
    const { name, tags, note } = json.run as { name: string; tags: string[]; note: string };
    assertEquals([name, tags, note], ["the best so far", ["half", "paper", "x"], "seed 0, as in Table 2"]);
    assertEquals(idsOf(await ask("list", "-t", "paper")), [first]);
    await ask("tag", first, "--remove", "paper", "x");
    await ask("name", first, "");
    const run = (await ask("note", first, "")).json.run as { tags: string[] };
    assertEquals([run.tags, "name" in run, "note" in run], [["half"], false, false]);
    await assertRejects(() => ask("name", "bb", "x"), PareError, 'no run "bb"');
    await assertRejects(() => ask("tag", first), PareError, "--tag is missing");
    await assertRejects(() => ask("name", first), PareError, "--name is missing");
  }));

Deno.test("runs show has what was asked, what came of it and how to repeat it, and moves no cursor", () =>
  withRuns(async (ask, [, second], path) => {
    {
      using registry = Registry.open(path, { mode: "write" });
      registry.label(second, { name: "half", note: "first line\nsecond line" });
    }
    const { text, json } = await ask("show", "half");
    for (
      const part of [
        `run           ${second}`,
        "sparsity      2:4",
        "linears       1, 50.00 % zeros",
        "output error  1.23 %, the mean over linears",
        "took          prune 1 min 15 s",
        "peak memory   256 MiB",
        "first line\nsecond line",
        "pruned       31.42    2048       10  wikitext2 test",
        "deno task prune --model tiny",
      ]
    ) assertStringIncludes(text, part);
    assertEquals([(json.run as { id: string }).id, (json.layers as unknown[]).length], [second, 1]);
    const hostile = "model\x1b[2J";
    using registry = Registry.open(path, { mode: "write" });
    const id = registry.begin(manifest({ planId: "cc44".padEnd(16, "0"), model: hostile }));
    // deno-lint-ignore no-control-regex -- what must not be there
    assertEquals(/\x1b/.test((await ask("show", id)).text + (await ask("list")).text), false);
  }));

Deno.test("runs rm forgets all that are named or none, and says which outputs stay", () =>
  withRuns(async (ask, [first, second, third], path) => {
    await assertRejects(() => ask("rm", first, "nobody"), PareError, 'no run "nobody"');
    assertEquals(idsOf(await ask("list")).length, 3);
    const out = join(path, "..", "aa11");
    await Deno.mkdir(out);
    await Deno.writeTextFile(join(out, "config.json"), "{}");
    const { text, json } = await ask("rm", "aa11", first, second);
    assertEquals(json.removed, [first, second]);
    assertStringIncludes(text, `${out} stays where it is`);
    assertEquals(idsOf(await ask("list")), [third]);
    await assertRejects(() => ask("rm"), PareError, "--run is missing");
  }));
