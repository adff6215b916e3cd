/** A comparison in words: every number where it belongs, beside what it means nothing without. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { samplePoint } from "../../src/report/results.ts";
import { benchmarksToCsv, toCsv, toMarkdown } from "../../src/report/text.ts";
import { BENCHMARKS, COMPARISON } from "./comparison.ts";

Deno.test("Markdown has a row for each model, its numbers rounded, and the protocol under it", () => {
  const lines = toMarkdown(COMPARISON, { sparsity: "compare.svg", samples: "samples.svg" }).split("\n");
  assertEquals(lines.slice(0, 6), [
    "# models/tiny",
    "",
    "| method | sparsity | zeros | perplexity | metric (s) | in all (s) | CPU (s) | peak memory |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    "| dense |  | 0.03 % | 16.93 |  |  |  |  |",
    "| magnitude | 0.5 | 50.02 % | 28.35 | 0.01 | 0.0 | 0.1 | 231 MiB |",
  ]);
  const text = lines.join("\n");
  assertStringIncludes(text, `Perplexity: 16 x 256 tokens of a "book", cut (SHA-256 ${"ab".repeat(32)}).`);
  assertStringIncludes(text, `Calibration: 8 x 128 tokens of sample (SHA-256 ${"cd".repeat(32)}).`);
  assertStringIncludes(text, "| wanda | 2 | 30.00 | 2.65 | 28.00 | 29.00 | 33.00 |");
  assertStringIncludes(text, "![perplexity against sparsity](compare.svg)");
  assertStringIncludes(text, "![perplexity by calibration sequences](samples.svg)");
});

Deno.test("without several numbers of sequences there is no second table", () => {
  const text = toMarkdown({ ...COMPARISON, samples: undefined }, { sparsity: "compare.svg" });
  assert(!text.includes("Calibration sequences") && !text.includes("samples.svg"));
});

Deno.test("CSV has numbers in full, what was not measured empty, and quotes what must be quoted", () => {
  const [heading, dense, magnitude, ...rest] = toCsv(COMPARISON).split("\r\n");
  assertEquals(
    heading,
    "method,asked,sparsity,perplexity,metric_seconds,seconds,cpu_seconds,peak_bytes,windows,seqlen,corpus,corpus_sha256",
  );
  const corpus = `16,256,"a ""book"", cut",${"ab".repeat(32)}`;
  assertEquals(dense, `dense,,0.0003,16.934,,,,,${corpus}`);
  assertEquals(magnitude, `magnitude,0.5,0.5002,28.349,0.014,0.04,0.07,242000000,${corpus}`);
  assertEquals([rest.length, rest.at(-1)], [5, ""]);
});

Deno.test("benchmarks: the mean by method and sparsity, every model in every task, chance and questions above them", () => {
  const lines = toMarkdown(BENCHMARKS, { accuracy: "tasks.svg" }).split("\n"), text = lines.join("\n");
  const table = (first: string) => {
    const from = lines.findIndex((line) => line.startsWith(first));
    return lines.slice(from, lines.indexOf("", from));
  };
  assertEquals(table("| method | sparsity | zeros").slice(0, 3), [
    "| method | sparsity | zeros | mean acc (%) | metric (s) | in all (s) | CPU (s) | peak memory |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    "| dense |  | 0.00 % | 70.00 ± 5.00 |  |  |  |  |",
  ]);
  assertEquals(table("| mean accuracy"), [
    "| mean accuracy (%) | 0.5 | 2:4 |",
    "| --- | ---: | ---: |",
    "| chance | 50.00 | 50.00 |",
    "| dense | 70.00 ± 5.00 | 70.00 ± 5.00 |",
    "| magnitude | 55.00 ± 5.00 |  |",
    "| wanda | 60.00 ± 5.00 | 52.50 ± 5.00 |",
  ]);
  assertEquals(table("| points against dense").slice(2), [
    "| magnitude | -15.00 ± 2.00 |  |",
    "| wanda | -10.00 ± 2.00 | -17.50 ± 2.00 |",
  ]);
  // MMLU's subjects stand in the CSV.
  assertEquals(table("| method | sparsity | boolq"), [
    "| method | sparsity | boolq | piqa | mean | mmlu |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    "| questions |  | 40 of 3270 | 9 | 49 of 3279 | 9 |",
    "| chance |  | 50.00 | 50.00 | 50.00 | 25.00 |",
    "| dense |  | 75.00 ± 8.00 | 65.00 ± 6.00 | 70.00 ± 5.00 | 30.00 ± 1.00 |",
    "| magnitude | 0.5 | 50.00 ± 8.00 | 60.00 ± 6.00 | 55.00 ± 5.00 | 25.00 ± 1.00 |",
    "| wanda | 0.5 | 60.00 ± 8.00 | 60.00 ± 6.00 | 60.00 ± 5.00 | 25.00 ± 1.00 |",
    "| wanda | 2:4 | 55.00 ± 8.00 | 50.00 ± 6.00 | 52.50 ± 5.00 | 25.00 ± 1.00 |",
  ]);
  assertEquals(table("| method | sparsity | piqa |").at(-1), "| wanda | 2:4 | 25.00 ± 7.00 |");
  assertStringIncludes(text, "0 shots (versions: boolq 2, piqa 1, mmlu_anatomy 1)");
  assertStringIncludes(text, `Data: boolq.parquet (SHA-256 ${"ef".repeat(32)}).`);
  assert(!/perplexity/i.test(text));
});

Deno.test("every figure of a benchmark is a line of its CSV, with its error, chance and number of questions", () => {
  const [heading, first, ...rest] = benchmarksToCsv(BENCHMARKS).split("\r\n");
  assertEquals(heading, "method,asked,sparsity,task,metric,value,stderr,chance,questions,of,shots,version");
  assertEquals(first, "dense,,0,boolq,acc,0.75,0.08,0.5,40,3270,0,2");
  assertEquals(rest[1], "dense,,0,piqa,acc_norm,0.325,0.07,0.5,9,9,0,1");
  assertEquals([rest.length, rest.at(-1)], [4 * 6, ""]);
});

Deno.test("the deviation is that of a sample, and of a single seed 0", () => {
  // 28, 29, 33: mean 30, squares 4 + 1 + 9 = 14, divided by 2.
  const { mean, deviation } = samplePoint("wanda", 2, [28, 29, 33]);
  assertEquals(mean, 30);
  assertAlmostEquals(deviation, Math.sqrt(7), 1e-12);
  assertEquals(samplePoint("wanda", 2, [28]).deviation, 0);
});
