/** Plots by uPlot, in the colours of the page: light or dark, and again when that changes, or the window's width. */
import { make } from "./dom.js";

// The library's own file, which the server gives under this name: here there is none for a type checker to find.
const { default: uPlot } = await import(new URL("./uplot.js", import.meta.url).href);

/** Pixels beside a plot in a narrow window. */
const MARGIN = 64;

/** Pixels of the room for numbers at the left, and of an axis' words. */
const NUMBERS = 64, WORDS = 22;

/** How many series have a colour of their own (`style.css`). */
export const COLORS = 8;

/** Dashes of the series beyond those: colours begin anew. */
const DASHES = [[], [8, 4], [2, 4]];

const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * An element with a plot, which follows colours and width until `signal` ends it.
 * @param given `size`, `label` (for who does not see it), `x` and `y` (the axes' words), `data`, and `options(color)`: what
 * uPlot is told besides; `color(name)` is a colour of the page.
 */
export function drawPlot({ size, label, x, y, data, options }, signal) {
  const place = make("div.plot", { role: "img", "aria-label": label });
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  let width, plot;
  const draw = () => {
    width = Math.min(size.width, innerWidth - MARGIN);
    plot?.destroy();
    const axis = (words) => ({
      label: words,
      labelSize: WORDS,
      labelFont: "14px system-ui, sans-serif",
      stroke: color("--ink"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line") },
    });
    const { axes = [{}, {}], ...others } = options(color, uPlot);
    plot = new uPlot(
      {
        ...size,
        width,
        legend: { show: false },
        cursor: { show: false },
        ...others,
        axes: [{ ...axis(x), ...axes[0] }, { ...axis(y), size: NUMBERS, ...axes[1] }],
      },
      data,
      place,
    );
  };
  draw();
  dark.addEventListener("change", draw, { signal });
  addEventListener("resize", () => Math.min(size.width, innerWidth - MARGIN) === width || draw(), { signal });
  return place;
}

const colorAt = (own, at) => (own ?? at) % COLORS;

/** Numbers of a logarithmic axis, few enough to be read. */
const logTicks = (_plot, ticks) => {
  const whole = ticks.filter((tick) => tick && /^[125]/.test(tick.toExponential()));
  const shown = new Set(whole.length > 1 ? whole : ticks);
  return ticks.map((tick) => shown.has(tick) ? `${+tick.toPrecision(3)}` : "");
};

/**
 * Lines over common x: a figure with its legend. What it shows stands in a table beside it; this is the overview.
 * @param series `name`, `points` (pairs of x and y, x ascending), `color` (a number; its place, if it has none), and
 * `line: false` for points alone.
 * @param given Besides: `zero: false` for an axis that begins at the least and not at 0, `dots: false` for lines alone.
 */
export function drawLines(
  { caption, x, y, log = false, zero = true, dots = true, series, size = { width: 640, height: 360 } },
  signal,
) {
  const all = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const data = [
    all,
    ...series.map(({ points }) => {
      const known = new Map(points);
      return all.map((at) => known.get(at) ?? null);
    }),
  ];
  const place = drawPlot({
    size,
    x,
    y,
    data,
    label: `${caption}: ${series.map(({ name, points }) => `${name}, ${points.length} points`).join("; ")}`,
    options: (color) => ({
      scales: {
        // A single point stands in the middle.
        x: { time: false, range: (_plot, least, most) => pad(least, most) },
        y: log ? { distr: 3 } : {
          range: (_plot, least, most) => zero ? [Math.min(0, least), most > 0 ? most * 1.05 : 1] : pad(least, most),
        },
      },
      axes: [{}, log ? { values: logTicks } : {}],
      series: [
        {},
        ...series.map(({ line = true, color: own }, at) => ({
          stroke: color(`--series-${colorAt(own, at)}`),
          width: line ? 2 : 0,
          dash: DASHES[Math.floor(at / COLORS) % DASHES.length],
          spanGaps: true,
          ...!line && { paths: () => null },
          points: {
            show: dots || !line,
            size: line ? 6 : 9,
            fill: color(line ? `--series-${colorAt(own, at)}` : "--paper"),
          },
        })),
      ],
    }),
  }, signal);
  return make(
    "figure",
    {},
    make(
      "ul.legend",
      { "aria-hidden": "true" },
      series.map(({ name, color, line = true }, at) =>
        make("li", {}, make(`span.swatch.series-${colorAt(color, at)}${line ? "" : ".ring"}`), name)
      ),
    ),
    place,
    make("figcaption", {}, caption),
  );
}

function pad(least, most) {
  const room = (most - least) * 0.05 || 1;
  return [least - room, most + room];
}
