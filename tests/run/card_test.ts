/** The model card, read by other eyes: its front matter by PyYAML where there is one, its text as a person would. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { load } from "js-yaml";
import { PareError } from "../../src/errors.ts";
import { modelCard, type Subject } from "../../src/run/card.ts";
import { withBenchmarks, withPerplexities } from "../../src/run/card_figures.ts";
import { withModelIndex } from "../../src/run/model_index.ts";
import type { PerplexityRecord } from "../../src/run/record.ts";
import { manifest, task } from "./runs.ts";

const subject: Subject = {
  manifest: { ...manifest({ pattern: "2:4" }), args: ["--model", "org/base", "--include", "*.mlp.*"] },
  baseId: "org/base",
  baseCard:
    "---\nlicense: other\nlicense_name: llama3\nlicense_link: LICENSE\nlanguage:\n- en\n- no\ntags: [chat]\n---\n# Base",
  linears: [{ rows: 10, cols: 10, zeros: 50 }, { rows: 10, cols: 30, zeros: 50 }],
};

/** A perplexity on one of two texts. */
const perplexity = (label: string, perplexity: number, text = "ab"): PerplexityRecord => ({
  label,
  perplexity,
  evaluation: { description: "wikitext2 test", sequences: 141, seqlen: 2048, sha256: text.repeat(32) },
});

/** The card's front matter, as the Hub finds it. */
function frontMatter(card: string): Record<string, unknown> {
  assert(card.startsWith("---\n"));
  return load(card.slice(4, card.indexOf("\n---\n", 3))) as Record<string, unknown>;
}

Deno.test("the front matter names the base, its licence, the library and what was done", () => {
  assertEquals(frontMatter(modelCard(subject)), {
    base_model: "org/base",
    license: "other",
    license_name: "llama3",
    license_link: "LICENSE",
    language: ["en", "no"],
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["pruned", "sparse", "pare", "wanda", "2:4"],
  });
});

Deno.test({
  name: "the card is the same where the environment may not be read, as in a run's sandbox",
  permissions: { read: true, env: false },
  fn: () => assertEquals(frontMatter(modelCard(subject)).license, "other"),
});

Deno.test("a card that says something else than names where a licence should be, or is no YAML, is no reason to stop", () => {
  const licenceOf = (yaml: string) => {
    const card = modelCard({ ...subject, baseCard: `---\n${yaml}\n---\n# Base` });
    return [frontMatter(card).license, /^## Licence\n\n(.*)$/m.exec(card)![1]];
  };
  assertEquals(licenceOf("license: [mit, apache-2.0]"), [["mit", "apache-2.0"], "The base's: mit, apache-2.0."]);
  assertEquals(licenceOf("license: no"), ["no", "The base's: no."]);
  for (const yaml of ["license: {a: b}", "license: 7", "tags: [a]"]) {
    assertEquals(licenceOf(yaml), [
      undefined,
      "The base (org/base) names none in its card; its terms hold here as well.",
    ]);
  }
  for (const yaml of ["license: [mit", "license: !!js/function x", "a: &a [*a, *b]"]) {
    assertEquals(licenceOf(yaml), [
      undefined,
      "The base (org/base) has a card that cannot be read as YAML; what it says there holds here as well.",
    ]);
  }
});

Deno.test("Python's YAML reads the same", async () => {
  const card = modelCard(subject);
  const program = "import sys,json\ntry: import yaml\nexcept ImportError: sys.exit(9)\n" +
    "print(json.dumps(next(yaml.safe_load_all(sys.stdin))))";
  const python = new Deno.Command("python3", { args: ["-c", program], stdin: "piped", stdout: "piped" }).spawn();
  const writer = python.stdin.getWriter();
  await writer.write(new TextEncoder().encode(card.slice(0, card.indexOf("\n---\n", 3))));
  await writer.close();
  const { code, stdout } = await python.output();
  if (code === 9) return; // No PyYAML here.
  const read = JSON.parse(new TextDecoder().decode(stdout));
  // YAML 1.1 reads a bare 2:4 as a number to the base 60, and no as false.
  assertEquals(read, frontMatter(card));
});

Deno.test("the text tells the share of zeros and the command", () => {
  const card = modelCard(subject);
  assertStringIncludes(card, "with 25.0 % of the weights");
  assertStringIncludes(card, "```sh\ndeno task prune --model org/base --include '*.mlp.*'\n```");
  assertStringIncludes(card, "deno task verify pare_manifest.json");
});

Deno.test("each perplexity stands in the card with its protocol, once, and all else stays", () => {
  const card = modelCard(subject), row = "141 windows of 2048 tokens, ids abababababababab… |";
  const once = withPerplexities(card, [perplexity("dense", 9.87654), perplexity("pruned", 20.123456)]);
  assertStringIncludes(
    once,
    `| dense | 9.877 | wikitext2 test, ${row}\n| pruned | 20.12 | wikitext2 test, ${row}\n\n## Rep`,
  );
  const [before, after] = once.split(/## Perplexity[^#]*(?=##)/);
  assertEquals(before + after, card);
  assertEquals(withPerplexities(once, [perplexity("dense", 9.87654), perplexity("pruned", 20.123456)]), once);
  const more = withPerplexities(once, [perplexity("pruned", 21), perplexity("pruned", 30, "cd")]);
  assertEquals([...more.matchAll(/^\| (dense|pruned) \| ([\d.]+)/gm)].map(([, ...cells]) => cells.join(" ")), [
    "dense 9.877",
    "pruned 21.00",
    "pruned 30.00",
  ]);
  // A card that somebody else has written.
  const foreign = withPerplexities("# Mine\n", [perplexity("pruned", 21)]);
  assert(foreign.startsWith("# Mine\n\n## Perplexity\n\n") && foreign.endsWith(`${row}\n`));
  assertEquals(withPerplexities(foreign, [perplexity("pruned", 21)]).trimEnd(), foreign.trimEnd());
});

const BOOLQ = {
  ...task("boolq", [1, 0, 1, 1]).record,
  set: { id: "aps/super_glue", config: "boolq", split: "validation" },
};

Deno.test("benchmarks stand in the front matter as the Hub's documentation has them, a group's tasks without the group", () => {
  const group = { ...BOOLQ, name: "wanda", group: { tasks: ["boolq"], by: "task" as const } };
  const card = modelCard(subject),
    { "model-index": index, ...rest } = frontMatter(
      withModelIndex(card, "mine", [BOOLQ, { ...task("own", [1, 1]).record, documents: 10, figures: {} }, group]),
    );
  const taskOf = { type: "text-generation", name: "Text Generation" };
  assertEquals(index, [{
    name: "mine",
    results: [
      {
        task: taskOf,
        dataset: {
          ...{ name: "boolq", type: "aps/super_glue", config: "boolq", split: "validation" },
          args: { num_few_shot: 0, limit: 4 },
        },
        metrics: [
          { type: "accuracy", value: 0.75, name: "acc, standard error 0.25" },
          { type: "acc_norm", value: 0, name: "acc_norm, standard error 0" },
        ],
      },
      { task: taskOf, dataset: { name: "own", type: "own", args: { num_few_shot: 0 } }, metrics: [] },
    ],
  }]);
  assertEquals(rest, frontMatter(card));
});

Deno.test("what anybody wrote in a front matter stays, and only what was measured anew is replaced", () => {
  const own = "- name: mine\n  verified: true\n  results:\n  - dataset: {name: other}\n    metrics: []\n";
  const written = (index: string) =>
    `\uFEFF---\n# a remark\nlicense: mit # so\n${index}tags: [a]\n---\n# Mine\n\n---\n`;
  const parse = (card: string) =>
    frontMatter(card.slice(1))["model-index"] as { results: { dataset: { name: string } }[] }[];
  for (
    const index of [
      "",
      `model-index:\n${own}`,
      `model-index:\n${own.replace(/^/gm, "  ").trimEnd()}\n\n`,
      "model-index: []\n",
      // A remark in the first column, and one that is none of the index's.
      `model-index:\n# of mine\n${own.replace("  results", "\n# and more\n  results")}# of the tags\n`,
      `"model-index" :\n${own}`,
      `'model-index': # mine\n${own}`,
    ]
  ) {
    const once = withModelIndex(written(index), "mine", [BOOLQ]), [{ results }] = parse(once);
    assertEquals(results.map(({ dataset }) => dataset.name), [
      ...index.includes("own") || index.includes("other") ? ["other"] : [],
      "boolq",
    ]);
    const tags = index.includes("of the tags") ? "# of the tags\ntags: [a]\n" : "tags: [a]\n";
    for (const kept of ["\uFEFF---\n# a remark\nlicense: mit # so\n", tags, "---\n# Mine\n\n---\n"]) {
      assertStringIncludes(once, kept);
    }
    // Again it is the same, and of another number of examples it stands beside.
    assertEquals(withModelIndex(once, "mine", [BOOLQ]), once);
    assertEquals(parse(withModelIndex(once, "mine", [{ ...BOOLQ, shots: 5 }]))[0].results.length, results.length + 1);
  }
  // One without a front matter gets one: a line in the middle is none.
  const plain = withModelIndex("# Mine\n\n---\na: b\n---\n", "mine", [BOOLQ]);
  assert(plain.endsWith("\n---\n\n# Mine\n\n---\na: b\n---\n") && frontMatter(plain)["model-index"]);
  // The same data set with its keys in another order.
  const turned =
    "model-index:\n- name: mine\n  results:\n  - metrics: []\n    dataset:\n      args: {num_few_shot: 0}\n" +
    "      type: own\n      name: own\n";
  const again = withModelIndex(`---\n${turned}---\n`, "mine", [{ ...task("own", [1, 1]).record, documents: 10 }]);
  assertEquals((frontMatter(again)["model-index"] as { results: unknown[] }[])[0].results.length, 1);
  // What cannot be put in line by line is not put in.
  const flows = ["{license: mit}\n", "{model-index: [], license: mit}\n", "? model-index\n: []\n", "- a\n"];
  for (const broken of [": : [\n", "model-index: best\n", "model-index: [{results: 7}]\n", ...flows]) {
    assertThrows(() => withModelIndex(`---\n${broken}---\n# Mine\n`, "mine", [BOOLQ]), PareError, "its ");
  }
});

Deno.test("benchmarks stand in the text as a table: a figure of the same protocol is replaced, its bar is none of a cell's", () => {
  const [a, b] = [BOOLQ, { ...BOOLQ, name: "a|b" }], once = withBenchmarks(modelCard(subject), [a, b]);
  assertStringIncludes(
    once,
    "| pruned | boolq | 75.00 ± 25.00 | 0.00 ± 0.00 | – | 50.00 | 0 shots, 4 of 10 documents, version 1, data 1212",
  );
  assertStringIncludes(withBenchmarks(once, [{ ...a, longest: 64 }]), "version 1, cut to 64 tokens, data 1212");
  const better = { ...b, figures: { acc: { value: 1 } } },
    twice = withBenchmarks(once, [better, { ...a, documents: 5 }]);
  const rows = [...twice.matchAll(/^\| pruned \| (.*?) \| ([\d.]+)/gm)].map(([, ...cells]) => cells.join(" "));
  assertEquals(rows, ["boolq 75.00", "a\\|b 100.00", "boolq 75.00"]);
  assertEquals(withBenchmarks(twice, [better]).split("\n").length, twice.split("\n").length);
});

Deno.test("where the base says nothing, or nothing that can be read, the card claims no licence", () => {
  for (const baseCard of [undefined, "", "# Base", "---\n: : [\n---\n", "---\n- a list\n---\n", "---\nlicense: mit"]) {
    const front = frontMatter(modelCard({ ...subject, baseCard, baseId: undefined }));
    assertEquals(Object.keys(front), ["library_name", "pipeline_tag", "tags"]);
  }
});

Deno.test("names that Markdown or YAML would take for something else stay names", () => {
  const named = manifest({ model: "a|b\n# c: *d*", method: "yes" });
  const card = modelCard({ ...subject, manifest: { ...named, args: ["````"] }, baseId: "org/a: b #c" });
  assertEquals(frontMatter(card).base_model, "org/a: b #c");
  assertEquals((frontMatter(card).tags as unknown[])[3], "yes");
  assertStringIncludes(card, "# a|b # c: \\*d\\*, pruned");
  assertStringIncludes(card, "`````sh\ndeno task prune '````'\n`````");
});
