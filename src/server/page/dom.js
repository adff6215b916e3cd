/** Elements, made in one expression. */

/**
 * An element.
 * @param tag Its name, with classes behind dots: `p.faint`.
 * @param given Attributes; `on…` for listeners. What is undefined or false is left out.
 */
export function make(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split("."), element = document.createElement(name);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** Terms and what they are; those without a value are left out. */
export function makeFacts(facts) {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== null);
  return make("dl", {}, known.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
}

/** A link to a run. */
export const linkTo = (id) => make("a.id", { href: `#/runs/${encodeURIComponent(id)}` }, id);

/** A run's tag, which leads to all runs that have it: those of a sweep. */
export const linkToTag = (tag) => make("a.tag", { href: `#/?${new URLSearchParams({ search: tag })}` }, tag);

/** Tells screen readers, without moving the focus. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
