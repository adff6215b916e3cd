/**
 * A histogram and a density map as pictures: SVG for documents, with axes and their words; PNG for everything else, which is
 * the plot alone: a pixel's place is a number's.
 */
import { encode } from "fast-png";
import type { DensityMap, Histogram } from "../run/record.ts";

/** Pixels of a histogram's bin and of a density map's cell. */
const BIN = 4, CELL = 6;

/** Pixels of a histogram's height. */
const HEIGHT = 160;

/** Grey that is seen on white and on black, and the threshold's red (both at least 3:1, WCAG 1.4.11). */
const BAR = "#6b7785", LINE = "#d6336c";

const WHITE = 255;

/** Grey of words that is read on white and on black (at least 4.5:1, WCAG 1.4.3). */
const INK = "#767676";

/** Pixels around the plot: for numbers and words at the left and below, for half a number at the right, and above. */
const ROOM = { left: 76, right: 24, top: 12, bottom: 44 };

/** Pixels between the plot, its numbers and its words. */
const TICK = 5, NUMBERS = 16, WORDS = 34;

/** What an axis says: where, as a share of its length, which text stands. */
type Ticks = readonly (readonly [at: number, text: string])[];

/** A number of an axis: four digits. */
const digits = (number: number) => String(+number.toPrecision(4));

/** The axes of a plot: numbers across and up (or, of a matrix, down), and the words for both. */
function axes(width: number, height: number, across: Ticks, acrossWord: string, up: Ticks, upWord: string): string {
  const text = (x: number, y: number, anchor: string, words: string) =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
  return [
    `<g fill="${INK}" font-family="sans-serif" font-size="12">`,
    ...across.map(([at, words]) => text(Math.round(at * width), height + NUMBERS, "middle", words)),
    ...up.map(([at, words]) => text(-TICK, Math.round((1 - at) * height) + 4, "end", words)),
    text(width / 2, height + WORDS, "middle", acrossWord),
    `<text transform="translate(${TICK * 2 - ROOM.left} ${
      height / 2
    }) rotate(-90)" text-anchor="middle">${upWord}</text>`,
    `</g><path fill="none" stroke="${INK}" d="M0 0V${height}H${width}${
      across.map(([at]) => `M${Math.round(at * width)} ${height}v${TICK - 1}`).join("")
    }${up.map(([at]) => `M0 ${Math.round((1 - at) * height)}h${1 - TICK}`).join("")}"/>`,
  ].join("");
}

/** The heights of the bars in pixels. */
function heights({ counts }: Histogram): number[] {
  const tallest = Math.max(...counts, 1);
  return counts.map((count) => Math.round(HEIGHT * count / tallest));
}

/** Where a line stands, in pixels; undefined if there is none. */
function placeOf(line: number | undefined, { max, counts }: Histogram): number | undefined {
  return line === undefined || max === 0 ? undefined : Math.round(line / max * counts.length * BIN);
}

/** A histogram as SVG; `what` is counted in it. */
export function histogramSvg(histogram: Histogram, what: string): string {
  const width = histogram.counts.length * BIN, at = placeOf(histogram.threshold, histogram);
  const [low, high] = (histogram.thresholds ?? []).map((line) => placeOf(line, histogram)!);
  const bars = heights(histogram).map((height, bin) =>
    height ? `M${bin * BIN} ${HEIGHT}v${-height}h${BIN}v${height}` : ""
  );
  const label = `${histogram.counts.length} bins from 0 to ${histogram.max}` +
    (at === undefined ? "" : `, threshold ${histogram.threshold}`) +
    (low === undefined ? "" : ` (the median of the rows: ${histogram.thresholds!.join(" to ")})`);
  const { max, counts } = histogram, tallest = Math.max(...counts, 1);
  const across = [0, 0.25, 0.5, 0.75, 1].map((at) => [at, digits(at * max)] as const);
  const up = [0, 0.5, 1].map((at) => [at, digits(at * tallest)] as const);
  return svg(width, HEIGHT, label, [
    axes(width, HEIGHT, across, what, up, "weights"),
    `<path fill="${BAR}" d="${bars.join("")}"/>`,
    low === undefined ? "" : `<path fill="${LINE}" fill-opacity="0.15" d="M${low} 0H${high}V${HEIGHT}H${low}"/>`,
    at === undefined ? "" : `<path stroke="${LINE}" stroke-width="2" d="M${at} 0v${HEIGHT}"/>`,
  ]);
}

/** A histogram as PNG. */
export function histogramPng(histogram: Histogram): Uint8Array<ArrayBuffer> {
  const width = histogram.counts.length * BIN, data = new Uint8Array(width * HEIGHT * 3).fill(WHITE);
  const column = (x: number, height: number, color: string) => {
    const rgb = Uint8Array.fromHex(color.slice(1));
    for (let y = HEIGHT - height; y < HEIGHT; y++) data.set(rgb, (y * width + x) * 3);
  };
  heights(histogram).forEach((height, bin) => {
    for (let x = bin * BIN; x < (bin + 1) * BIN; x++) column(x, height, BAR);
  });
  const at = placeOf(histogram.threshold, histogram);
  if (at !== undefined) column(Math.min(at, width - 1), HEIGHT, LINE);
  return new Uint8Array(encode({ width, height: HEIGHT, data, channels: 3, depth: 8 }));
}

/** A density map as SVG: the darker, the more was removed. */
export function densitySvg({ rows, cols, cells }: DensityMap): string {
  const shares = Uint8Array.fromBase64(cells);
  const squares = Array.from(shares, (removed, cell) => {
    const x = cell % cols * CELL, y = Math.floor(cell / cols) * CELL, grey = WHITE - removed;
    return `<path fill="rgb(${grey} ${grey} ${grey})" d="M${x} ${y}h${CELL}v${CELL}h${-CELL}"/>`;
  });
  const width = cols * CELL, height = rows * CELL;
  return svg(width, height, `share of removed weights in ${rows} x ${cols} cells`, [
    ...squares,
    axes(width, height, [], "inputs \u2192", [], "\u2190 outputs"),
  ]);
}

/** A density map as PNG: the darker, the more was removed. */
export function densityPng({ rows, cols, cells }: DensityMap): Uint8Array<ArrayBuffer> {
  const shares = Uint8Array.fromBase64(cells), width = cols * CELL, height = rows * CELL;
  const data = Uint8Array.from({ length: width * height }, (_, pixel) => {
    const row = Math.floor(pixel / width / CELL), col = Math.floor(pixel % width / CELL);
    return WHITE - shares[row * cols + col];
  });
  return new Uint8Array(encode({ width, height, data, channels: 1, depth: 8 }));
}

function svg(width: number, height: number, label: string, content: readonly string[]): string {
  const { left, right, top, bottom } = ROOM, [across, down] = [left + width + right, top + height + bottom];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-left} ${-top} ${across} ${down}" width="${across}" ` +
    `height="${down}" role="img" aria-label="${label}">${content.join("")}</svg>\n`;
}
