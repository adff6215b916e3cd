/** A histogram with its threshold. */
import { digits } from "./format.js";
import { drawPlot } from "./plot.js";

const SIZE = { width: 370, height: 280 };

/** An element with the plot; `what` is counted in it. It follows the page's colours until `signal` ends it. */
export function drawHistogram(histogram, caption, what, signal) {
  const { max, counts, threshold, thresholds } = histogram, width = max / counts.length;
  return drawPlot({
    size: SIZE,
    x: what,
    y: "weights",
    data: [counts.map((_count, bin) => (bin + 0.5) * width), counts],
    label: `${caption}: ${counts.length} bins from 0 to ${digits(max)}, the fullest at ` +
      `${digits((counts.indexOf(Math.max(...counts)) + 0.5) * width)}` +
      (threshold === undefined ? "" : `, threshold ${digits(threshold)}`) +
      (thresholds ? ` (the median of the rows: ${thresholds.map(digits).join(" to ")})` : ""),
    options: (color, { paths }) => ({
      scales: { x: { time: false, range: [0, max] }, y: { range: (_plot, _least, most) => [0, most] } },
      series: [{}, {
        fill: color("--bar"),
        paths: paths.bars({ size: [1, Infinity], align: 0 }),
        points: { show: false },
      }],
      hooks: {
        draw: [({ ctx, bbox, valToPos }) => {
          if (threshold === undefined) return;
          const [x, low, high] = [threshold, ...thresholds ?? []].map((each) => valToPos(each, "x", true));
          ctx.fillStyle = color("--threshold");
          ctx.fillRect(x - devicePixelRatio, bbox.top, 2 * devicePixelRatio, bbox.height);
          if (!thresholds) return;
          ctx.globalAlpha = 0.15;
          ctx.fillRect(low, bbox.top, high - low, bbox.height);
          ctx.globalAlpha = 1;
        }],
      },
    }),
  }, signal);
}
