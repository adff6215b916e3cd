/**
 * A comparison as pictures: SVG that stands alone, on white paper or on black. Observable Plot draws; it wants a document,
 * which linkedom plays.
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { headline, titleOf } from "./benchmarks.ts";
import { heightFor, isFar, placeLabels, widthOf } from "./labels.ts";
import type { Comparison, SamplePoint } from "./results.ts";

/** Pixels. */
const SIZE = { width: 640, height: 400, marginRight: 90, marginLeft: 56 };

/** Pixels beside a label at the right edge. */
const BESIDE = 16;

type Marks = NonNullable<Parameters<typeof Plot.plot>[0]>;

/** What of an element is used here; the types of browsers are not Deno's. */
interface Element {
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
}

/** A word beside a point of the data, in its method's colour. */
interface Word {
  readonly text: string;
  /** Undefined: at the right edge. */
  readonly x?: number;
  readonly y: number;
  readonly method?: string;
}

/** What a mark that is a function is given, as far as it is used. */
interface Drawing {
  createElementNS(namespace: string, name: string): Element & { append(...children: unknown[]): void };
}

/** Pixels of a picture and of the room around its frame. */
type Dimensions = Record<"width" | "height" | "marginTop" | "marginRight" | "marginBottom" | "marginLeft", number>;

const SVG = "http://www.w3.org/2000/svg";

/** The words as a mark: placed when the scales are known, so that none stands over another. */
function words(all: readonly Word[]) {
  return (
    _index: unknown,
    scales: Record<"x" | "y" | "color", (value: unknown) => number & string>,
    _values: unknown,
    { width, height, marginRight, marginLeft, marginTop, marginBottom }: Dimensions,
    { document }: { document: Drawing },
  ) => {
    const make = (name: string, attributes: Record<string, string | number>, text?: string) => {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`);
      if (text !== undefined) element.append(text);
      return element;
    };
    const group = make("g", { "aria-label": "text" });
    const labels = all.map(({ text, x, y, method }) => ({
      text,
      x: x === undefined ? width - marginRight : scales.x(x),
      y: scales.y(y),
      color: method === undefined ? "currentColor" : scales.color(method),
    }));
    const room = { left: marginLeft, top: marginTop, right: width, bottom: height - marginBottom };
    for (const placed of placeLabels(labels, room)) {
      const { text, x, y, left, middle, anchor, color } = placed as typeof placed & { color: string };
      if (isFar(placed)) {
        const to = anchor === "start" ? left - 2 : left + 2;
        group.append(make("line", { x1: x, y1: y, x2: to, y2: middle, stroke: color, "stroke-opacity": 0.5 }));
      }
      group.append(make("text", { x: left, y: middle, dy: "0.32em", "text-anchor": anchor, fill: color }, text));
    }
    return group;
  };
}

/** Draws in a document of its own, as high and with as much room at the right as the words need. */
function draw(options: Marks, all: readonly Word[]): string {
  const { document } = parseHTML("<html><body></body></html>") as unknown as { document: never };
  const size = {
    ...SIZE,
    height: Math.max(SIZE.height, heightFor(all.length)),
    marginRight: Math.max(SIZE.marginRight, BESIDE + Math.max(...all.map(({ text }) => widthOf(text)))),
  };
  const marks = [...options.marks ?? [], words(all)] as Marks["marks"];
  const svg = Plot.plot({ ...size, ...options, marks, document }) as unknown as Element;
  svg.setAttribute("xmlns", SVG);
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

/** What of a model is drawn: a number, and its standard error if there is one. */
interface Point {
  readonly method: string;
  readonly asked: string;
  readonly y: number;
  readonly error?: number;
}

/** What is drawn against sparsity. */
interface Measure {
  readonly y: Marks["y"];
  readonly points: readonly Point[];
  /** Levels that hold at every sparsity, with their names. */
  readonly rules: readonly { readonly text: string; readonly y: number }[];
}

/** Against sparsity: a line for each method through its shares, a sign of its own for each n:m, rules across all. */
function againstSparsity({ y, points, rules }: Measure): string {
  const pruned = points.map((point) => ({ ...point, share: 100 * shareOf(point.asked) }));
  const shares = pruned.filter(({ asked }) => !asked.includes(":")).sort((a, b) => a.share - b.share);
  const patterns = pruned.filter(({ asked }) => asked.includes(":"));
  const methods = [...new Set(pruned.map(({ method }) => method))];
  const named = methods.map((method) =>
    shares.findLast((row) => row.method === method) ?? patterns.findLast((row) => row.method === method)!
  );
  // A method that has no share is named at its last pattern.
  const beside = ({ method, asked }: Point, isNamed: boolean) =>
    [isNamed && method, asked.includes(":") && asked].filter(Boolean).join(" ");
  const all = [...shares, ...patterns].map((row) => ({
    text: beside(row, named.includes(row)),
    x: row.share,
    y: row.y,
    method: row.method,
  })).filter(({ text }) => text);
  const errors = pruned.filter(({ error }) => error !== undefined);
  return draw({
    x: { label: "weights removed (%)", nice: true, inset: 16, tickFormat: (share: number) => `${+share.toFixed(2)}` },
    y: { grid: true, inset: 8, ...y },
    color: colors(methods),
    marks: [
      Plot.ruleY(rules, { y: "y", strokeDasharray: "4 4" }),
      Plot.ruleX(errors, {
        x: "share",
        y1: ({ y, error }: Point) => y - error!,
        y2: ({ y, error }: Point) => y + error!,
        stroke: "method",
        strokeOpacity: 0.5,
      }),
      Plot.line(shares, { x: "share", y: "y", z: "method", stroke: "method" }),
      Plot.dot(shares, { x: "share", y: "y", fill: "method", r: 4 }),
      Plot.dot(patterns, { x: "share", y: "y", stroke: "method", symbol: "diamond", r: 5 }),
    ],
  }, [...all, ...rules]);
}

/** Perplexity against sparsity, the dense model's as a rule. */
export function plotSparsity({ rows }: Comparison): string {
  const points = rows.flatMap(({ method, asked, perplexity: y }) => y === undefined ? [] : [{ method, asked, y }]);
  return againstSparsity({
    y: { label: "perplexity", type: "log" },
    points: points.filter(({ method }) => method !== "dense"),
    rules: points.filter(({ method }) => method === "dense").map(({ y }) => ({ text: "dense", y })),
  });
}

/** Accuracy in per cent against sparsity with its standard errors, chance and the dense model as rules. */
export function plotAccuracy({ rows }: Comparison): string {
  const benchmark = headline(rows[0])!;
  const points = rows.map((row): Point => {
    const { value, error } = headline(row)!.figures.acc!;
    return { ...row, y: 100 * value, ...error !== undefined && { error: 100 * error } };
  });
  return againstSparsity({
    y: { label: `${titleOf(benchmark)} accuracy (%)` },
    points: points.filter(({ method }) => method !== "dense"),
    rules: [
      ...benchmark.chance === undefined ? [] : [{ text: "chance", y: 100 * benchmark.chance }],
      ...points.filter(({ method }) => method === "dense").map(({ y }) => ({ text: "dense", y })),
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
    ],
  }, named.map(({ method, samples, mean }) => ({ text: method, x: samples, y: mean, method })));
}
