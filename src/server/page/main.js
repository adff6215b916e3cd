/** The dashboard: the page that the address names (`#/?…`, `#/runs/ID`, `#/compare/A,B,…`), shown until it names another. */
import { keepToken } from "./api.js";
import { showComparison } from "./compare.js";
import { make } from "./dom.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";

const main = document.getElementById("main");
const PAGES = [
  [/^#\/runs\/([^/?]+)$/, (here, signal, id) => showRun(here, signal, decodeURIComponent(id))],
  [/^#\/compare\/([^/?]+)$/, (here, signal, ids) => showComparison(here, signal, decodeURIComponent(ids))],
  [/^(?:#\/(?:\?(.*))?)?$/, showRuns],
];
let leave = new AbortController();

/** Asks for the token that the server wants. */
function askToken() {
  const input = make("input", { type: "password", autocomplete: "current-password", required: true });
  const enter = (event) => {
    event.preventDefault();
    keepToken(input.value);
    show();
  };
  return [
    make("h1", {}, "This server needs its token"),
    make("form", { onsubmit: enter }, make("label", {}, "Token ", input), make("button", {}, "Show runs")),
  ];
}

async function show() {
  const [match, page] = find();
  // An anchor within the page.
  if (!page) return;
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const here = make("div");
  try {
    const title = await page(here, signal, match);
    if (signal.aborted) return;
    document.title = `${title} · Pare`;
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 401) here.replaceChildren(...askToken());
    else {
      here.replaceChildren(
        make("h1", {}, "Not shown"),
        make("p.problem", { role: "alert" }, error.message),
        make("button", { type: "button", onclick: show }, "Try again"),
      );
    }
  }
  main.replaceChildren(here);
  // A screen reader begins to read where the new page begins.
  const heading = here.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus();
}

function find() {
  for (const [pattern, page] of PAGES) {
    const match = pattern.exec(location.hash);
    if (match) return [match[1], page];
  }
  return [];
}

addEventListener("hashchange", show);
show();
