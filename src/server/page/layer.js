/** One linear: its numbers, how its scores and weights are distributed, and where the removed weights stand. */
import { get, hasToken, runPath } from "./api.js";
import { make, makeFacts } from "./dom.js";
import { digits, error, percent, seconds as inWords } from "./format.js";
import { drawHistogram } from "./histogram.js";

/** A byte of a density map where everything was removed. */
const ALL = 255;

/** The map as a picture: the darker, the more was removed. */
function drawDensity({ rows, cols, cells }) {
  const shares = Uint8Array.from(atob(cells), (letter) => letter.charCodeAt(0));
  const sorted = Float64Array.from(shares, (share) => share / ALL).sort();
  const canvas = make("canvas.density", {
    role: "img",
    width: cols,
    height: rows,
    "aria-label": `Share of removed weights in ${rows} by ${cols} cells: from ${percent(sorted[0])} to ` +
      `${percent(sorted.at(-1))}, half of the cells below ${percent(sorted[sorted.length >> 1])}`,
  });
  const pixels = new ImageData(cols, rows);
  shares.forEach((share, cell) => pixels.data.set([ALL - share, ALL - share, ALL - share, ALL], cell * 4));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return make(
    "div.matrix",
    {},
    make("span.down", { "aria-hidden": "true" }, "outputs →"),
    canvas,
    make("span.across", { "aria-hidden": "true" }, "inputs →"),
  );
}

/** A picture, its name, and where it is to be had as a file. */
function makeFigure(picture, caption, path) {
  const links = hasToken() ? [] : ["svg", "png", "json"].flatMap((form) => [
    " ",
    make("a", { href: `${path}.${form}`, "aria-label": `${caption} as ${form.toUpperCase()}` }, form.toUpperCase()),
  ]);
  return make("figure", {}, picture, make("figcaption", {}, caption, links));
}

/** Shows a linear in an element. */
export async function showLayer(here, id, { name }, signal) {
  const layer = await get(runPath(id, "layers", name), signal);
  const { rows, cols, zeros, sparsity, outputError, outputErrorFrom, seconds, damping } = layer;
  const plots = make("div.plots"), path = (plot) => runPath(id, "layers", name, plot);
  here.replaceChildren(make(
    "section.layer",
    { "aria-label": name },
    make("h2", {}, name),
    makeFacts({
      shape: `${rows} x ${cols}`,
      sparsity: `${percent(sparsity)} (${zeros.toLocaleString("en")} zeros)`,
      "output error": outputError === undefined ? undefined : `${error(outputError)} (from the ${outputErrorFrom})`,
      damping: damping === undefined ? undefined : digits(damping),
      time: inWords(seconds),
      mask: make("span.id", {}, layer.maskSha256),
      weight: make("span.id", {}, layer.weightSha256),
    }),
    plots,
  ));
  // In the page first: a plot measures its place.
  for (
    const [plot, what, axis] of [
      ["scores", "Scores", "score"],
      ["magnitudes", "Magnitudes of the weights", "|weight|"],
    ]
  ) {
    if (!layer[plot]) continue;
    const caption = layer[plot].threshold === undefined ? what : `${what} and the threshold`;
    plots.append(makeFigure(drawHistogram(layer[plot], caption, axis, signal), caption, path(plot)));
  }
  plots.append(makeFigure(drawDensity(layer.density), "Removed weights (dark) in the matrix", path("density")));
}
