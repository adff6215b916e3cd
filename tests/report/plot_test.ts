/** The pictures of a comparison, looked into as XML. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { parseHTML } from "linkedom";
import { plotAccuracy, plotSamples, plotSparsity } from "../../src/report/plot.ts";
import { BENCHMARKS, COMPARISON } from "./comparison.ts";

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

Deno.test("accuracy against sparsity: a bar of the standard error at each point, dense and chance as rules", () => {
  const root = read(plotAccuracy(BENCHMARKS));
  assertEquals(count(root, '[aria-label="dot"] circle') + count(root, '[aria-label="dot"] path'), 3);
  const bars = [...root.querySelectorAll('[aria-label="rule"]')].map((rule) => count(rule, "line"));
  assertEquals(bars, [2, 3]);
  const said = texts(root).join("|");
  for (const word of ["chance", "dense", "magnitude", "wanda", "2:4", "mean accuracy (%)"]) {
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

/** The words of a picture and what they cover: letters of 10 px are at most 6 px wide on average, and 10 px high. */
function wordsOf(svg: string) {
  return [...read(svg).querySelectorAll('[aria-label="text"] text')].map((word) => {
    const number = (name: string) => Number(word.getAttribute(name)), width = 6 * word.textContent.length;
    const left = word.getAttribute("text-anchor") === "end" ? number("x") - width : number("x");
    return { text: word.textContent, left, right: left + width, top: number("y") - 5, bottom: number("y") + 5 };
  });
}

Deno.test("no word stands over another or beyond the picture, however close the methods are and however many", () => {
  const methods = fc.uniqueArray(
    fc.constantFrom<string>("wanda", "magnitude", "sparsegpt", "ria", "wanda+owl", "ria+sequential"),
    {
      minLength: 1,
    },
  );
  const asked = fc.uniqueArray(fc.constantFrom<string>("0.5", "0.6", "0.7", "2:4", "4:8"), { minLength: 1 });
  const perplexity = fc.double({ min: 20, max: 25, noNaN: true });
  fc.assert(
    fc.property(methods, asked, fc.infiniteStream(perplexity), (methods, asked, numbers) => {
      const next = () => numbers.next().value as number;
      const rows = methods.flatMap((method) =>
        asked.map((asked) => ({ method, asked, sparsity: 0.5, perplexity: next() }))
      );
      rows.unshift({ method: "dense", asked: "", sparsity: 0, perplexity: next() });
      const svg = plotSparsity({ ...COMPARISON, rows }), words = wordsOf(svg);
      const [width, height] = ["width", "height"].map((side) =>
        Number(new RegExp(`^<svg [^>]*\\b${side}="(\\d+)"`).exec(svg)![1])
      );
      const patterns = methods.length * asked.filter((one) => one.includes(":")).length;
      assert(words.length >= methods.length && words.length >= patterns + 1);
      for (const [at, a] of words.entries()) {
        assert(a.left >= 56 && a.top >= 0 && a.right <= width && a.bottom <= height, `${a.text} is beyond the picture`);
        for (const b of words.slice(at + 1)) {
          const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
          assert(apart, `${a.text} is over ${b.text}`);
        }
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("a method that has patterns alone is named at its last one, and a single share is a number one would write", () => {
  const rows = ["2:4", "4:8"].map((asked, i) => ({ method: "ria", asked, sparsity: 0.5, perplexity: 20 + i }));
  const said = texts(read(plotSparsity({ ...COMPARISON, rows })));
  assertEquals(said.filter((text) => text.includes(":")).sort(), ["2:4", "ria 4:8"]);
  assert(said.includes("50"), said.join());
});

Deno.test("a picture stands alone, on any paper, and is the same every time", () => {
  const svg = plotSparsity(COMPARISON);
  assert(svg.startsWith("<svg ") && svg.includes('xmlns="http://www.w3.org/2000/svg"'));
  assert(!/<script|href=|url\(|@import|-background: white/.test(svg));
  assertStringIncludes(svg, 'fill="currentColor"');
  assertEquals(plotSparsity(COMPARISON), svg);
});
