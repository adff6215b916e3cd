/**
 * The linears of a run as a grid, a row for each kind and a column for each block, coloured by sparsity or output error. With
 * a keyboard it is one stop: arrows, Home and End move in it, Enter opens a linear (the grid pattern of WAI-ARIA).
 */
import { make } from "./dom.js";
import { error, percent } from "./format.js";

/** What is coloured: `span` is how far the ends of the scale are apart at least, for values up to `most`. */
const MEASURES = {
  // Whole weights cannot be removed at exactly the same share everywhere: what is below a few percent says nothing.
  sparsity: { label: "sparsity", show: percent, span: () => 0.05 },
  outputError: { label: "relative output error", show: error, span: (most) => most / 10 },
};

/** The ends of the scale of some values: their own, or as far apart as it takes for a difference to mean something. */
export function scaleOf(values, measure) {
  const least = Math.min(...values), most = Math.max(...values), span = MEASURES[measure].span(most);
  if (most - least >= span) return [least, most];
  const low = Math.max(0, Math.min((least + most - span) / 2, 1 - span));
  return [low, low + span];
}

/** A linear's name without its block. */
const kindOf = ({ name, block }) => name.split(`.${block}.`)[1] ?? name;

/** The grid. `open(name)` is called for the linear that is chosen. */
export class HeatMap {
  #open;
  #layers = [];
  #measure = "sparsity";
  #chosen;
  /** Where the keyboard is: row and column. */
  #at = [0, 0];
  #grid = make("table.heat", {
    role: "grid",
    "aria-label": "Linears: rows are kinds, columns are blocks",
    onkeydown: (event) => this.#move(event),
  });
  #scale = make("div.row");

  constructor(open) {
    this.#open = open;
    const choices = Object.entries(MEASURES).map(([name, { label }]) =>
      make(
        "label",
        {},
        make("input", {
          type: "radio",
          name: "measure",
          checked: name === this.#measure,
          onchange: () => {
            this.#measure = name;
            this.#draw();
          },
        }),
        ` ${label}`,
      )
    );
    this.element = make(
      "div",
      {},
      make("div.row", {}, make("fieldset", {}, make("legend", {}, "Colour: "), choices)),
      this.#scale,
      make("div.scroll", {}, this.#grid),
    );
  }

  /** Shows these linears; the place of the keyboard stays. */
  show(layers) {
    this.#layers = layers;
    this.#draw();
  }

  #draw() {
    const { label, show } = MEASURES[this.#measure], layers = this.#layers;
    const kinds = [...new Set(layers.map(kindOf))];
    const blocks = [...new Set(layers.map(({ block }) => block))].sort((a, b) => a - b);
    const values = layers.map((layer) => layer[this.#measure]).filter((value) => value !== undefined);
    const [least, most] = values.length ? scaleOf(values, this.#measure) : [];
    const found = new Map(layers.map((layer) => [`${kindOf(layer)} ${layer.block}`, layer]));
    const focused = this.#grid.contains(document.activeElement);
    this.#scale.replaceChildren(
      ...values.length
        ? [make("span.faint", {}, `${label}: ${show(least)}`), make("div.scale"), make("span.faint", {}, show(most))]
        : [make("span.faint", {}, layers.length ? `${label}: not measured` : "No linear is done yet.")],
    );
    const cell = (kind, block, row, col) => {
      const layer = found.get(`${kind} ${block}`);
      const made = make("td", {
        role: "gridcell",
        tabindex: row === this.#at[0] && col === this.#at[1] ? "0" : "-1",
        "aria-label": layer
          ? `${kind} of block ${block}: ${label} ${show(layer[this.#measure])}`
          : `${kind} of block ${block}: not done`,
        "aria-selected": layer ? String(layer.name === this.#chosen) : undefined,
        title: layer ? `${layer.name}: ${show(layer[this.#measure])}` : undefined,
        onclick: () => {
          this.#go(row, col);
          this.#choose(layer);
        },
      });
      const value = layer?.[this.#measure];
      if (value === undefined) made.classList.add("empty");
      // Where all are zero, there is no scale.
      else made.style.setProperty("--share", most > least ? (value - least) / (most - least) : 0.5);
      return made;
    };
    this.#grid.replaceChildren(
      ...kinds.length
        ? [
          make(
            "thead",
            {},
            make(
              "tr",
              { role: "row" },
              make("th", { role: "columnheader", scope: "col" }, "block"),
              blocks.map((block) => make("th", { role: "columnheader", scope: "col" }, String(block))),
            ),
          ),
          make(
            "tbody",
            {},
            kinds.map((kind, row) =>
              make(
                "tr",
                { role: "row" },
                make("th", { role: "rowheader", scope: "row" }, kind),
                blocks.map((block, col) => cell(kind, block, row, col)),
              )
            ),
          ),
        ]
        : [],
    );
    if (focused) this.#cell(...this.#at)?.focus();
  }

  #cell(row, col) {
    return this.#grid.tBodies[0]?.rows[row]?.cells[col + 1];
  }

  #go(row, col) {
    const next = this.#cell(row, col);
    if (!next || col < 0) return;
    this.#cell(...this.#at).tabIndex = -1;
    this.#at = [row, col];
    next.tabIndex = 0;
    next.focus();
  }

  #choose(layer) {
    if (!layer) return;
    this.#chosen = layer.name;
    this.#draw();
    this.#open(layer.name);
  }

  #move(event) {
    const [row, col] = this.#at, last = this.#grid.tBodies[0].rows[row].cells.length - 2;
    const steps = {
      ArrowRight: [row, col + 1],
      ArrowLeft: [row, col - 1],
      ArrowDown: [row + 1, col],
      ArrowUp: [row - 1, col],
      Home: [row, 0],
      End: [row, last],
    };
    if (event.key === "Enter" || event.key === " ") this.#cell(row, col).click();
    else if (steps[event.key]) this.#go(...steps[event.key]);
    else return;
    event.preventDefault();
  }
}
