/** The help text of a command, made from the same declaration as its parser. Plain text, no wider than 100 columns. */
import { type Command, COMMON, type Flag, type Flags, spelling } from "./flags.ts";

/** Wide enough for a sentence, narrow enough for half a screen. */
const WIDTH = 100;

/** Where the explanations begin. */
const INDENT = 30;

/** What `--help` prints. */
export function helpText<F extends Flags>(command: Command<F>): string {
  const all: [string, Flag<unknown>][] = Object.entries({ ...command.flags, ...COMMON });
  const needed = all.filter(([, flag]) => flag.required).map(([name, flag]) =>
    name === command.operand ? `<${flag.metavar}>` : written(name, flag)
  );
  return [
    wrap(`deno task ${command.name}: ${command.summary}`, 0),
    "",
    `Usage: deno task ${command.name} ${[...needed, "[flags]"].join(" ")}`,
    "",
    ...all.map(([name, flag]) => entry(name, flag)),
    "",
    ...(command.notes ? [wrap(command.notes, 0), ""] : []),
    command.examples.length > 1 ? "Examples:" : "Example:",
    ...command.examples.map((example) => `  ${example}`),
  ].join("\n");
}

function written(name: string, flag: Flag<unknown>): string {
  const value = flag.metavar ?? "TEXT";
  if (flag.kind === "toggle") return `--${spelling(name)}`;
  return flag.bare === undefined ? `--${spelling(name)} ${value}` : `--${spelling(name)} [${value}]`;
}

function entry(name: string, flag: Flag<unknown>): string {
  const otherwise = flag.otherwise ?? (["string", "number"].includes(typeof flag.absent) ? flag.absent : undefined);
  const remarks = [
    flag.required ? "needed" : "",
    flag.kind === "values" ? "may be repeated" : "",
    otherwise === undefined ? "" : `default: ${otherwise}`,
    flag.aliases?.length
      ? `also ${flag.aliases.map((alias) => alias.length > 1 ? `--${alias}` : `-${alias}`).join(", ")}`
      : "",
  ].filter((remark) => remark !== "");
  const head = `  ${written(name, flag)}`;
  const body = wrap(flag.help + (remarks.length ? ` (${remarks.join("; ")})` : ""), INDENT);
  return head.length < INDENT ? head + body.slice(head.length) : `${head}\n${body}`;
}

/** Breaks a text into lines that begin at a column. */
function wrap(text: string, indent: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && indent + line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => " ".repeat(indent) + line).join("\n");
}
