/** The model card, read by other eyes: its front matter by PyYAML where there is one, its text as a person would. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { load } from "js-yaml";
import { modelCard, type Subject, withPerplexities } from "../../src/run/card.ts";
import type { PerplexityRecord } from "../../src/run/record.ts";
import { manifest } from "./runs.ts";

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
