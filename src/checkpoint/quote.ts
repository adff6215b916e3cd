/** How a name out of a file is shown in an error: on one line, and not the whole of it if it is absurdly long. */

/** Longest part of a name that is shown. The longest tensor name of a known model has about 80 characters. */
const LONGEST = 160;

/** The name in double quotes, control characters escaped, shortened if it is very long. */
export function quote(name: string): string {
  return JSON.stringify(name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name);
}
