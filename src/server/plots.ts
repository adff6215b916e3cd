/** A histogram and a density map as pictures: SVG for documents, PNG for everything else. */
import { encode } from "fast-png";
import type { DensityMap, Histogram } from "../run/record.ts";

/** Pixels of a histogram's bin and of a density map's cell. */
const BIN = 4, CELL = 6;

/** Pixels of a histogram's height. */
const HEIGHT = 160;

/** Grey that is seen on white and on black, and the threshold's red (both at least 3:1, WCAG 1.4.11). */
const BAR = "#6b7785", LINE = "#d6336c";

const WHITE = 255;

/** The heights of the bars in pixels. */
function heights({ counts }: Histogram): number[] {
  const tallest = Math.max(...counts, 1);
  return counts.map((count) => Math.round(HEIGHT * count / tallest));
}

/** Where a line stands, in pixels; undefined if there is none. */
function placeOf(line: number | undefined, { max, counts }: Histogram): number | undefined {
  return line === undefined || max === 0 ? undefined : Math.round(line / max * counts.length * BIN);
}

/** A histogram as SVG. */
export function histogramSvg(histogram: Histogram): string {
  const width = histogram.counts.length * BIN, at = placeOf(histogram.threshold, histogram);
  const [low, high] = (histogram.thresholds ?? []).map((line) => placeOf(line, histogram)!);
  const bars = heights(histogram).map((height, bin) =>
    height ? `M${bin * BIN} ${HEIGHT}v${-height}h${BIN}v${height}` : ""
  );
  const label = `${histogram.counts.length} bins from 0 to ${histogram.max}` +
    (at === undefined ? "" : `, threshold ${histogram.threshold}`) +
    (low === undefined ? "" : ` (the median of the rows: ${histogram.thresholds!.join(" to ")})`);
  return svg(width, HEIGHT, label, [
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
  return svg(cols * CELL, rows * CELL, `share of removed weights in ${rows} x ${cols} cells`, squares);
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
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-label="${label}">${content.join("")}</svg>\n`;
}
