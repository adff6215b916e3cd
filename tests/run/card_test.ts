/** The model card, read by other eyes: its front matter by PyYAML where there is one, its text as a person would. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { modelCard, type Subject } from "../../src/run/card.ts";
import { manifest } from "./runs.ts";

const subject: Subject = {
  manifest: { ...manifest({ pattern: "2:4" }), args: ["--model", "org/base", "--include", "*.mlp.*"] },
  baseId: "org/base",
  baseCard:
    "---\nlicense: other\nlicense_name: llama3\nlicense_link: LICENSE\nlanguage:\n- en\n- no\ntags: [chat]\n---\n# Base",
  linears: [{ rows: 10, cols: 10, zeros: 50 }, { rows: 10, cols: 30, zeros: 50 }],
  perplexities: [{
    label: "pruned",
    perplexity: 20.123456,
    evaluation: { description: "wikitext2 test", sequences: 141, seqlen: 2048, sha256: "ab".repeat(32) },
  }],
};

/** The card's front matter, as the Hub finds it. */
function frontMatter(card: string): Record<string, unknown> {
  assert(card.startsWith("---\n"));
  return parse(card.slice(4, card.indexOf("\n---\n", 3)));
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

Deno.test("the text tells the share of zeros, the command, and each perplexity with its protocol", () => {
  const card = modelCard(subject);
  assertStringIncludes(card, "with 25.0 % of the weights");
  assertStringIncludes(card, "```sh\ndeno task prune --model org/base --include '*.mlp.*'\n```");
  assertStringIncludes(card, "| pruned | 20.12 | wikitext2 test, 141 windows of 2048 tokens, ids abababababababab… |");
  assertStringIncludes(card, "deno task verify pare_manifest.json");
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
