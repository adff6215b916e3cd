/** What numbers and times look like. What is not known is a dash. */
import { make } from "./dom.js";
import { now } from "./api.js";

const UNKNOWN = "–";

const known = (value) => value !== undefined && value !== null;

/** A number with four significant digits. */
export const digits = (number) => known(number) ? String(+number.toPrecision(4)) : UNKNOWN;

/** A share as percents. */
export const percent = (share) => known(share) ? `${(share * 100).toFixed(1)} %` : UNKNOWN;

/** A share that was asked for, as percents with the digits that it was given. */
export const asked = (share) => `${+(share * 100).toPrecision(4)} %`;

/** A relative error as percents, with three significant digits: errors differ by orders of magnitude. */
export const error = (share) => known(share) ? `${+(share * 100).toPrecision(3)} %` : UNKNOWN;

/** Bytes in MiB, or in GiB from one on. */
export const memory = (bytes) =>
  !known(bytes) ? UNKNOWN : bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${digits(bytes / 2 ** 30)} GiB`;

/** What is to be added to the first number to get the second: `+1.5`, `-0.25`, `±0`. */
export function delta(from, to, show = digits) {
  if (!known(from) || !known(to)) return undefined;
  const size = show(Math.abs(to - from));
  return size === show(0) ? "±0" : `${to > from ? "+" : "-"}${size}`;
}

/** A time of day. */
export const time = (iso) =>
  make("time", { datetime: iso }, new Date(iso).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" }));

/** Seconds that a run took, or has taken so far. */
export const secondsOf = ({ startedAt, finishedAt }) =>
  Math.max(0, ((finishedAt ? Date.parse(finishedAt) : now()) - Date.parse(startedAt)) / 1000);

/** Seconds, minutes, hours; of less than a second two digits that say something. */
export function seconds(count) {
  if (!known(count)) return UNKNOWN;
  if (count < 1) return `${+count.toPrecision(2)} s`;
  if (count < 59.95) return `${count.toFixed(1)} s`;
  const whole = Math.round(count), minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long a run took. */
export const duration = (run) => seconds(secondsOf(run));
