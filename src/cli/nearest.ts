/** What a mistyped word was meant to be. */
import { closest, distance } from "fastest-levenshtein";

/** The word that a text begins, or the one most like it; undefined if every one is more different than alike. */
export function nearest(text: string, words: readonly string[]): string | undefined {
  const begun = text.length > 1 ? words.find((word) => word.startsWith(text)) : undefined;
  if (begun !== undefined || !words.length) return begun;
  const found = closest(text, words);
  return distance(text, found) <= Math.max(2, text.length / 2) && distance(text, found) < found.length
    ? found
    : undefined;
}

/** `; did you mean WORD?`, or nothing; to be put behind what is said of a text. */
export function didYouMean(text: string, words: readonly string[], dashes = ""): string {
  const found = nearest(text, words);
  return found === undefined ? "" : `; did you mean ${dashes}${found}?`;
}
