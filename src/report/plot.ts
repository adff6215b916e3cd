/**
 * A comparison as pictures: SVG that stands alone, on white paper or on black. Observable Plot draws; it wants a document,
 * which linkedom plays.
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Comparison, SamplePoint } from "./results.ts";

/** Pixels. */
const SIZE = { width: 640, height: 400, marginRight: 90, marginLeft: 56 };

type Marks = NonNullable<Parameters<typeof Plot.plot>[0]>;

/** What of an element is used here; the types of browsers are not Deno's. */
interface Element {
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
}

/** Draws in a document of its own: nothing of it depends on what was drawn before. */
function draw(options: Marks): string {
  const { document } = parseHTML("<html><body></body></html>") as unknown as { document: never };
  const svg = Plot.plot({ ...SIZE, ...options, document }) as unknown as Element;
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${
    svg.outerHTML.replaceAll("&nbsp;", "\u00a0").replace("-background: white;", "-background: transparent;")
  }\n`;
}

/** A colour for each method, the same in every picture. */
function colors(methods: readonly string[]): Marks["color"] {
  const known = ["magnitude", "sparsegpt", "wanda", "ria"];
  return { domain: [...known, ...methods.filter((method) => !known.includes(method))], scheme: "Observable10" };
}

/** The share that a request removes: of a pattern 1 - n/m. */
function shareOf(asked: string): number {
  const [, n, m] = /^(\d+):(\d+)$/.exec(asked) ?? [];
  return n === undefined ? Number(asked) : 1 - Number(n) / Number(m);
}

/** Perplexity against sparsity: a line for each method through its shares, a sign of its own for each n:m, dense as a rule. */
export function plotSparsity({ rows }: Comparison): string {
  const dense = rows.filter(({ method }) => method === "dense");
  const pruned = rows.filter(({ method }) => method !== "dense").map((row) => ({
    ...row,
    share: 100 * shareOf(row.asked),
  }));
  const shares = pruned.filter(({ asked }) => !asked.includes(":")).sort((a, b) => a.share - b.share);
  const patterns = pruned.filter(({ asked }) => asked.includes(":"));
  const methods = [...new Set(pruned.map(({ method }) => method))];
  const named = methods.map((method) =>
    shares.findLast((row) => row.method === method) ?? patterns.findLast((row) => row.method === method)!
  );
  return draw({
    x: { label: "weights removed (%)", nice: true, inset: 16 },
    y: { label: "perplexity", type: "log", grid: true, inset: 8 },
    color: colors(methods),
    marks: [
      Plot.ruleY(dense, { y: "perplexity", strokeDasharray: "4 4" }),
      Plot.text(dense, { y: "perplexity", text: () => "dense", frameAnchor: "right", dx: 40 }),
      Plot.line(shares, { x: "share", y: "perplexity", z: "method", stroke: "method" }),
      Plot.dot(shares, { x: "share", y: "perplexity", fill: "method", r: 4 }),
      Plot.dot(patterns, { x: "share", y: "perplexity", stroke: "method", symbol: "diamond", r: 5 }),
      Plot.text(patterns, { x: "share", y: "perplexity", text: "asked", dx: 10, textAnchor: "start", fill: "method" }),
      Plot.text(named, { x: "share", y: "perplexity", text: "method", dx: 10, textAnchor: "start", fill: "method" }),
    ],
  });
}

/** Perplexity by the number of calibration sequences: a line for each method, and its deviation over the seeds. */
export function plotSamples(points: readonly SamplePoint[]): string {
  const methods = [...new Set(points.map(({ method }) => method))];
  const named = methods.map((method) => points.findLast((point) => point.method === method)!);
  return draw({
    x: {
      label: "calibration sequences",
      type: "log",
      base: 2,
      tickFormat: (samples: number) => `${samples}`,
      inset: 16,
    },
    y: { label: "perplexity", grid: true, inset: 8 },
    color: colors(methods),
    marks: [
      Plot.ruleX(points, {
        x: "samples",
        y1: ({ mean, deviation }: SamplePoint) => mean - deviation,
        y2: ({ mean, deviation }: SamplePoint) => mean + deviation,
        stroke: "method",
        strokeWidth: 2,
      }),
      Plot.line(points, { x: "samples", y: "mean", z: "method", stroke: "method" }),
      Plot.dot(points, { x: "samples", y: "mean", fill: "method", r: 4 }),
      Plot.text(named, { x: "samples", y: "mean", text: "method", dx: 10, textAnchor: "start", fill: "method" }),
    ],
  });
}
