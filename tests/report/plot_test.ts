/** The pictures of a comparison, looked into as XML. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseHTML } from "linkedom";
import { plotSamples, plotSparsity } from "../../src/report/plot.ts";
import { COMPARISON } from "./comparison.ts";

interface Node {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Node>;
}

const read = (svg: string): Node => (parseHTML(svg) as unknown as { document: Node }).document;
const count = (root: Node, selector: string) => [...root.querySelectorAll(selector)].length;
const texts = (root: Node) => [...root.querySelectorAll("text")].map(({ textContent }) => textContent);

Deno.test("perplexity against sparsity: a line for each method, a point for each share, a diamond for each pattern", () => {
  const svg = plotSparsity(COMPARISON), root = read(svg);
  assertEquals(count(root, '[aria-label="line"] path'), 2);
  assertEquals(count(root, '[aria-label="dot"] circle') + count(root, '[aria-label="dot"] path'), 5);
  const said = texts(root).join("|");
  for (const word of ["magnitude", "wanda", "dense", "2:4", "perplexity", "weights removed (%)"]) {
    assertStringIncludes(said, word);
  }
});

Deno.test("many methods with one share each are drawn without a complaint of the library", () => {
  const rows = ["a", "b", "c"].map((method, i) => ({ method, asked: "0.5", sparsity: 0.5, perplexity: 20 + i }));
  const said = texts(read(plotSparsity({ ...COMPARISON, rows })));
  assertEquals(said.filter((text) => text.includes("\u26a0")), []);
});

Deno.test("perplexity by calibration sequences: a line, and a bar of the deviation at each number", () => {
  const root = read(plotSamples(COMPARISON.samples!.points));
  assertEquals([count(root, '[aria-label="line"] path'), count(root, '[aria-label="rule"] line')], [1, 2]);
  assertStringIncludes(texts(root).join("|"), "calibration sequences");
});

Deno.test("a picture stands alone, on any paper, and is the same every time", () => {
  const svg = plotSparsity(COMPARISON);
  assert(svg.startsWith("<svg ") && svg.includes('xmlns="http://www.w3.org/2000/svg"'));
  assert(!/<script|href=|url\(|@import|-background: white/.test(svg));
  assertStringIncludes(svg, 'fill="currentColor"');
  assertEquals(plotSparsity(COMPARISON), svg);
});
