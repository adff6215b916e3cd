/** What stands where no run has been recorded yet: how to begin one. */
import { make } from "./dom.js";

const STEPS = [
  [
    "Prune the small model that comes with Pare, in seconds and without a network:",
    "deno task prune --model tests/fixtures/models/Austen-700K --calibration sample --out austen-wanda",
  ],
  [
    "See what it cost:",
    "deno task eval --model austen-wanda --corpus tests/fixtures/data/austen-heldout.txt --seqlen 256",
  ],
  [
    "Or prune a model of the Hub:",
    "deno task prune --model HuggingFaceTB/SmolLM2-135M-Instruct --sparsity 0.5 --out smol-wanda",
  ],
];

/** The page's words. */
export const makeWelcome = () =>
  make(
    "section.welcome",
    { "aria-label": "No run has been recorded yet" },
    make(
      "p",
      {},
      "No run has been recorded yet. Every prune, eval and compare is recorded and shows up here by itself.",
    ),
    make(
      "ol",
      {},
      STEPS.map(([what, command]) => make("li", {}, what, make("pre", { tabindex: "0" }, make("code", {}, command)))),
    ),
    make("p.faint", {}, "A run with --runs none is not recorded; one with --runs FILE stands in that file."),
  );
