/** Tables as plain text: columns aligned by spaces, numbers to the right, a rule under the heading. */

/** Sets rows under a heading. A column of which every cell begins with a digit, a sign or a dash is set to the right. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column].length)));
  const numeric = heading.map((_, column) => rows.every((row) => /^([-+]?[\d.]|-$|$)/.test(row[column])));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => numeric[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))
      .join("  ").trimEnd();
  return [line(heading), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
