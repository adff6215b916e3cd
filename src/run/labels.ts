/**
 * What a person calls a run and says of it: a name, tags and a note. They belong to the registry alone: no plan, manifest or
 * hash knows them, so they may change at any time.
 */
import { PareError } from "../errors.ts";

/** A run's labels. */
export interface RunLabels {
  /** One line; several runs may have the same. */
  readonly name?: string;
  /** Words, each once, in the order of their code points. */
  readonly tags: readonly string[];
  /** Any text. */
  readonly note?: string;
}

/** What changes of a run's labels; what is absent stays. */
export interface LabelChange {
  /** The new name; `""` takes it away. */
  readonly name?: string;
  /** The new note; `""` takes it away. */
  readonly note?: string;
  /** Tags that are added; `a,b` is two. */
  readonly tags?: readonly string[];
  /** Tags that are taken away. */
  readonly untag?: readonly string[];
}

/** Characters of a name and of a tag at most: both stand in a table's column. */
const LONGEST_WORDS = 100;

/** Characters of a note at most: a page. */
const LONGEST_NOTE = 4000;

/** Whether nothing would change. */
export function isUnchanged({ name, note, tags = [], untag = [] }: LabelChange): boolean {
  return name === undefined && note === undefined && !tags.length && !untag.length;
}

/**
 * A change as it may be kept: blanks around names and tags removed.
 * @throws PareError naming what is too long, has blanks where it may not, or characters that are no text.
 */
export function checkLabels({ name, note, tags = [], untag = [] }: LabelChange): LabelChange {
  const words = (texts: readonly string[]) => texts.flatMap((text) => text.split(",")).map(checkTag);
  return {
    ...name !== undefined && { name: checkLine("name", name) },
    ...note !== undefined && { note: checkNote(note) },
    tags: words(tags),
    untag: words(untag),
  };
}

function checkLine(what: string, text: string): string {
  const line = text.trim();
  if (line.length > LONGEST_WORDS || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(line)) {
    throw new PareError(`the ${what} ${quote(line)}: expected one line of ${LONGEST_WORDS} characters or less`);
  }
  return line;
}

function checkTag(text: string): string {
  const tag = checkLine("tag", text);
  if (!/^\S+$/.test(tag)) throw new PareError(`the tag ${quote(tag)}: expected a word without blanks`);
  return tag;
}

function checkNote(text: string): string {
  const note = text.replace(/\r\n?/g, "\n").trim();
  if (note.length > LONGEST_NOTE) {
    throw new PareError(`the note has ${note.length} characters: expected ${LONGEST_NOTE} or less`);
  }
  // Tabs and line ends are text; whatever else controls a terminal is not.
  if (/[^\P{Cc}\t\n]/u.test(note)) throw new PareError("the note has control characters: expected text");
  return note;
}

/** The beginning of a text, quoted. */
const quote = (text: string): string => JSON.stringify(text.length > 50 ? `${text.slice(0, 50)}…` : text);

/**
 * The labels that a command's flags give its run.
 * @throws PareError for one that cannot be kept.
 */
export function labelsOf(
  { name, tag, note }: { readonly name?: string; readonly tag: readonly string[]; readonly note?: string },
): LabelChange {
  return checkLabels({ name, tags: tag, note });
}
