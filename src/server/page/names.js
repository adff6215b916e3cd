/** What a run is called: by its method and what was asked of it, told apart from others that were asked the same. */
import { asked } from "./format.js";

/** Such as `wanda+owl`; undefined for a run that has no method. */
export function methodOf({ manifest: { plan: { request: { method, update, allocation } } } }) {
  if (typeof method !== "string") return undefined;
  const added = [update, allocation].filter((one) => typeof one === "string" && one !== "uniform");
  // A method may have its update in its name already.
  return [method, ...added.filter((one) => !method.includes(one))].join("+");
}

/** The share that is removed: of n:m, 1 - n/m; undefined where linears are asked differently, or nothing is. */
export function shareOf({ pattern, sparsity, sparsityMap }) {
  if (sparsityMap) return undefined;
  const [, n, m] = /^(\d+):(\d+)$/.exec(pattern ?? "") ?? [];
  return n ? 1 - n / m : typeof sparsity === "number" ? sparsity : undefined;
}

/** What was asked: `2:4`, `50 %`, `by a map`. */
export function askedOf({ pattern, sparsity, sparsityMap }) {
  if (sparsityMap) return "by a map";
  return typeof pattern === "string" ? pattern : typeof sparsity === "number" ? asked(sparsity) : undefined;
}

/** Such as `wanda 50 %` or `sparsegpt 2:4`; for a run without a method its command and model. */
export function nameOf(run) {
  const { plan } = run.manifest, method = methodOf(run);
  return method ? [method, askedOf(plan.request)].filter(Boolean).join(" ") : `${plan.kind} ${plan.model.name}`;
}

/** A benchmark of a plan. */
const describeBenchmark = ({ version, shots, documents, total, data }) =>
  `${shots} shots, ${documents} of ${total}, version ${version}, data ${data.map((one) => one.slice(0, 8)).join(" ")}`;

/** Everything that was asked, flat: `request.targets.blocks` beside its value. */
export function askedFlat(value, path = "") {
  if (path === "tasks") return value.map((task) => [`tasks.${task.name}`, describeBenchmark(task)]);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
  }
  return Object.entries(value).flatMap(([key, each]) => askedFlat(each, path ? `${path}.${key}` : key));
}

/** What a plan's entry is called where it distinguishes a name. */
const short = (key, value) => `${key.split(".").at(-1)} ${value.length > 20 ? `${value.slice(0, 8)}…` : value}`;

/** The texts, those that are there more than once with something behind them. */
const tellApart = (texts, behind) =>
  texts.map((text, at) => texts.filter((one) => one === text).length > 1 ? behind(text, at) : text);

/**
 * A name for each run, no two alike: the one that a person gave it, or its method and sparsity; behind it, what differs in
 * the plans of those that are called the same; behind that, its id.
 */
export function namesOf(runs) {
  const names = runs.map((run) => run.name ?? nameOf(run));
  const flat = runs.map((run) => new Map(askedFlat(run.manifest.plan)));
  const differing = tellApart(names, (name, at) => {
    const others = flat.filter((_, other) => names[other] === name);
    const own = [...flat[at]].filter(([key, value]) => others.some((other) => other.get(key) !== value));
    return [name, ...own.slice(0, 2).map(([key, value]) => short(key, value))].join(", ");
  });
  return tellApart(differing, (name, at) => `${name}, ${runs[at].id}`);
}
