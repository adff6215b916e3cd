/** The few forms of Markdown that a model card has. */

/** A table; its cells are texts on one line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => inline(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A text on one line that Markdown takes as it is. */
export function inline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*<>[\]]/g, "\\$&");
}

/** A code block whose fence is longer than any in the text. */
export function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}sh\n${text}\n${fence}`;
}
