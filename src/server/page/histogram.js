/** A histogram with its threshold, drawn by uPlot, in the colours of the page: light or dark, and again when that changes. */
import { digits, make } from "./dom.js";

// The library's own file, which the server gives under this name: here there is none for a type checker to find.
const { default: uPlot } = await import(new URL("./uplot.js", import.meta.url).href);

const SIZE = { width: 370, height: 256 };

/** Pixels beside a plot in a narrow window. */
const MARGIN = 64;

/** Pixels of the room for numbers at the left. */
const AXIS = 64;

const dark = matchMedia("(prefers-color-scheme: dark)");

/** An element with the plot; it follows the colours until `signal` ends it. */
export function drawHistogram(histogram, caption, signal) {
  const { max, counts, threshold, thresholds } = histogram, width = max / counts.length;
  const place = make("div", {
    role: "img",
    "aria-label": `${caption}: ${counts.length} bins from 0 to ${digits(max)}, the fullest at ` +
      `${digits((counts.indexOf(Math.max(...counts)) + 0.5) * width)}` +
      (threshold === undefined ? "" : `, threshold ${digits(threshold)}`) +
      (thresholds ? ` (the median of the rows: ${thresholds.map(digits).join(" to ")})` : ""),
  });
  const draw = () => {
    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const axis = {
      stroke: color("--ink"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line") },
    };
    const line = ({ ctx, bbox, valToPos }) => {
      if (threshold === undefined) return;
      const [x, low, high] = [threshold, ...thresholds ?? []].map((each) => valToPos(each, "x", true));
      ctx.fillStyle = color("--threshold");
      ctx.fillRect(x - devicePixelRatio, bbox.top, 2 * devicePixelRatio, bbox.height);
      if (!thresholds) return;
      ctx.globalAlpha = 0.15;
      ctx.fillRect(low, bbox.top, high - low, bbox.height);
      ctx.globalAlpha = 1;
    };
    place.replaceChildren();
    new uPlot(
      {
        ...SIZE,
        width: Math.min(SIZE.width, innerWidth - MARGIN),
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [0, max] }, y: { range: (_plot, _least, most) => [0, most] } },
        axes: [axis, { ...axis, size: AXIS }],
        series: [{}, {
          fill: color("--bar"),
          paths: uPlot.paths.bars({ size: [1, Infinity], align: 0 }),
          points: { show: false },
        }],
        hooks: { draw: [line] },
      },
      [counts.map((_count, bin) => (bin + 0.5) * width), counts],
      place,
    );
  };
  draw();
  dark.addEventListener("change", draw, { signal });
  return place;
}
