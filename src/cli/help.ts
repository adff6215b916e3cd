/** The help text of a command, made from the same declaration as its parser. Plain text, no wider than 100 columns. */
import { type Command, COMMON, type Flag, type Flags, spelling } from "./flags.ts";

/** Wide enough for a sentence, narrow enough for half a screen. */
const WIDTH = 100;

/** Where the explanations begin. */
const INDENT = 30;

/** What stands before a command's name: a task of Deno, in a clone, or the one command `pare`. */
export type Program = "deno task" | "pare";

/** What `--help` prints. */
export function helpText<F extends Flags>(command: Command<F>, program: Program = "deno task"): string {
  const all: [string, Flag<unknown>][] = Object.entries({ ...command.flags, ...COMMON });
  const needed = all.filter(([, flag]) => flag.required).map(([name, flag]) =>
    name === command.operand ? `<${flag.metavar}>` : written(name, flag)
  );
  return [
    wrap(`${program} ${command.name}: ${command.summary}`, 0),
    "",
    `Usage: ${program} ${command.name} ${[...needed, "[flags]"].join(" ")}`,
    "",
    ...all.map(([name, flag]) => entry(name, flag)),
    "",
    ...(command.notes ? [wrap(command.notes, 0), ""] : []),
    command.examples.length > 1 ? "Examples:" : "Example:",
    ...command.examples.map((example) => `  ${example.replaceAll("deno task ", `${program} `)}`),
  ].join("\n");
}

/** What `pare` alone prints: every command in a line. */
export function overview(commands: readonly Command<Flags>[], version: string): string {
  const widest = Math.max(...commands.map(({ name }) => name.length)), indent = 2 + widest + 2;
  return [
    `pare ${version}: prune large language models after training.`,
    "",
    "Usage: pare COMMAND [flags]",
    "",
    ...commands.map(({ name, summary }) => `  ${name}`.padEnd(indent) + wrap(summary, indent).slice(indent)),
    "",
    "pare COMMAND --help shows the flags of a command and examples, pare --version the version.",
  ].join("\n");
}

function written(name: string, flag: Flag<unknown>): string {
  const value = flag.metavar ?? "TEXT", spelled = `--${spelling(name)}`;
  if (flag.kind === "toggle") return spelled;
  return flag.bare === undefined ? `${spelled} ${value}` : `${spelled} [${value}]`;
}

function entry(name: string, flag: Flag<unknown>): string {
  const otherwise = flag.otherwise ?? (["string", "number"].includes(typeof flag.absent) ? flag.absent : undefined);
  const remarks = [
    flag.required ? "needed" : "",
    flag.kind === "values" ? "may be repeated" : "",
    otherwise === undefined ? "" : `default: ${otherwise}`,
    flag.aliases?.length ? `also ${flag.aliases.map((alias) => `--${alias}`).join(", ")}` : "",
  ].filter((remark) => remark !== "");
  const head = `  ${flag.short ? `-${flag.short}, ` : ""}${written(name, flag)}`;
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
