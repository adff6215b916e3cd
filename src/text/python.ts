/**
 * What Python's `str` methods make of a text where JavaScript's of the same name make something else: white space is
 * another set of characters, and a capital is the title case. Benchmarks are written down in Python.
 */

/** The characters of `str.isspace()`. */
const SPACE = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;
const SPACES_BEFORE = new RegExp(`^${SPACE}+`), SPACES_BEHIND = new RegExp(`${SPACE}+$`);

/** `text.rstrip()`. */
export function stripEnd(text: string): string {
  return text.replace(SPACES_BEHIND, "");
}

/** `text.strip()`. */
export function strip(text: string): string {
  return stripEnd(text.replace(SPACES_BEFORE, ""));
}

/** Letters whose title case is neither their upper case nor they themselves: the Latin digraphs. */
const DIGRAPHS: Readonly<Record<string, string>> = {
  ...Object.fromEntries([..."ǄǅǆǇǈǉǊǋǌǱǲǳ"].map((letter, i) => [letter, "ǅǈǋǲ"[Math.floor(i / 3)]])),
};

/** A letter in title case, as Unicode's SpecialCasing has it. */
function title(letter: string): string {
  if (DIGRAPHS[letter]) return DIGRAPHS[letter];
  // Georgian's letters have capitals for all-capital text only.
  if (/[\u10d0-\u10ff]/.test(letter)) return letter;
  // Greek with an iota below keeps it below.
  const [base, ...marks] = letter.normalize("NFD");
  if (marks.includes("\u0345")) return [base.toUpperCase(), ...marks].join("").normalize("NFC");
  const [first, ...rest] = letter.toUpperCase();
  // The apostrophe of an n is no letter that could be the capital.
  return first + (first === "\u02bc" ? rest.join("") : rest.join("").toLowerCase());
}

/** `text.capitalize()`: the first letter in title case, all others in lower case. */
export function capitalize(text: string): string {
  const [first] = text;
  if (first === undefined) return "";
  // Whether a sigma ends its word depends on what stands before it.
  return title(first) + text.toLowerCase().slice(first.toLowerCase().length);
}

/** `len(text)`: the number of code points. */
export function lengthOf(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
