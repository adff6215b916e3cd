/**
 * What shells complete, made of the same declarations as the parser: commands, flags, and values where they are a few words
 * or a path. The scripts hold all of it, so that no process is started at the press of a key.
 */
import type { SHELLS } from "./completions_command.ts";
import { type Command, COMMON, type Flag, type Flags, spelling } from "./flags.ts";

/** A flag as a shell sees it. */
interface Option {
  /** `--out`. */
  readonly long: string;
  /** `-o`. */
  readonly short?: string;
  /** The first sentence of its help. */
  readonly help: string;
  /** What follows: nothing, any text, one of some words, a path, or either of both. */
  readonly words: readonly string[];
  readonly path: boolean;
  readonly takesValue: boolean;
}

/** The script for a shell. */
export function completions(shell: typeof SHELLS[number], commands: readonly Command<Flags>[]): string {
  return { bash, zsh, fish }[shell](commands);
}

function optionsOf(command: Command<Flags>): Option[] {
  return Object.entries<Flag<unknown>>({ ...command.flags, ...COMMON }).map(([name, flag]) => {
    const parts = (flag.metavar ?? "").split("|");
    return {
      long: `--${spelling(name)}`,
      ...flag.short && { short: `-${flag.short}` },
      help: sentence(flag.help),
      // What is written small in `c4|wikitext2|FILE` stands for itself.
      words: flag.choices ?? parts.filter((part) => /^[a-z][\w-]*$/.test(part)),
      path: parts.some((part) => /^(DIR|FILE)/.test(part)),
      takesValue: flag.kind !== "toggle",
    };
  });
}

/** The first sentence of a text, without its end. */
const sentence = (text: string): string => text.split(/(?<=[.:;]) /)[0].replace(/[.:;]$/, "");

/** First words, and the second ones of a group. */
function namesOf(commands: readonly Command<Flags>[]) {
  const groups = Map.groupBy(commands, ({ name }) => name.split(" ")[0]);
  return [...groups].map(([first, members]) => ({
    first,
    summary: members.length > 1 ? "look at recorded runs and put them in order" : sentence(members[0].summary),
    second: members.flatMap(({ name, summary }) =>
      name.includes(" ") ? [{ name: name.split(" ")[1], summary: sentence(summary) }] : []
    ),
  }));
}

const operandOf = (command: Command<Flags>) => {
  const name = command.operand ?? command.rest;
  return name === undefined ? undefined : optionsOf(command).find(({ long }) => long === `--${spelling(name)}`);
};

function bash(commands: readonly Command<Flags>[]): string {
  const names = namesOf(commands), first = names.map(({ first }) => first).join(" ");
  /** What a value completes to, as bash. */
  const value = ({ words, path }: Option) =>
    `${words.length ? `words="${words.join(" ")}"` : "words="}${path ? " paths=1" : ""}`;
  const spellings = ({ long, short }: Option) => [long, ...short ? [short] : []];
  const entries = commands.flatMap((command) => {
    const options = optionsOf(command), operand = operandOf(command);
    return [
      `    "${command.name}")`,
      '      case "$previous" in',
      ...options.filter(({ takesValue }) => takesValue)
        .map((option) => `        ${spellings(option).join("|")}) ${value(option)} ;;`),
      `        *) flags="${options.flatMap(spellings).join(" ")}"${operand ? ` ${value(operand)}` : ""} ;;`,
      "      esac ;;",
    ];
  });
  // The second word is a command's name or, in a group, belongs to it.
  const groups = names.filter(({ second }) => second.length).map(({ first, second }) =>
    `    ${first}) second="${second.map(({ name }) => name).join(" ")}" ;;`
  );
  return `# bash completion for pare: in ~/.bashrc, or in a folder of bash-completion as pare
_pare() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local name="\${COMP_WORDS[1]}" words= flags= paths= second=
  # bash parts --flag=value at the equals sign.
  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous="\${COMP_WORDS[COMP_CWORD - 2]}"; fi
  case "$name" in
    help) second="${first}" ;;
${groups.join("\n")}
  esac
  if ((COMP_CWORD == 1)); then
    words="${first} help" flags="--help --version" name=
  elif [[ -n $second ]]; then
    if ((COMP_CWORD == 2)); then words="$second" name=; else name="$name \${COMP_WORDS[2]}"; fi
  fi
  case "$name" in
${entries.join("\n")}
  esac
  COMPREPLY=()
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else
    [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ -n $paths ]]; then
      local IFS=$'\\n'
      COMPREPLY+=($(compgen -f -- "$current"))
      compopt -o filenames 2>/dev/null
    fi
  fi
}
complete -F _pare pare
`;
}

/** In single quotes, for zsh and fish. */
const quote = (text: string, escape: string) => `'${text.replaceAll("'", escape)}'`;

function zsh(commands: readonly Command<Flags>[]): string {
  const q = (text: string) => quote(text, `'\\''`);
  /** In an action or a description of \`_arguments\`, colons and brackets have a meaning. */
  const inert = (text: string) => text.replace(/[\\:[\]]/g, "\\$&");
  const action = ({ words, path }: Option) =>
    words.length && path
      ? `{ compadd -- ${words.join(" ")}; _files }`
      : path
      ? "_files"
      : words.length
      ? `(${words.join(" ")})`
      : "";
  const entries = commands.map((command) => {
    const operand = operandOf(command);
    const specs = optionsOf(command).flatMap((option) => {
      const { long, short, help, takesValue } = option;
      const tail = `[${inert(help)}]${takesValue ? `:value:${action(option)}` : ""}`;
      return [`${long}${takesValue ? "=" : ""}${tail}`, ...short ? [`${short}${takesValue ? "+" : ""}${tail}`] : []];
    });
    const rest = operand ? [`${command.rest ? "*" : "1"}:${operand.long.slice(2)}:${action(operand)}`] : [];
    return `    ${q(command.name)}) _arguments -s ${[...specs, ...rest].map((spec) => q(spec)).join(" ")} ;;`;
  });
  const described = (list: readonly { readonly name: string; readonly summary: string }[]) =>
    list.map(({ name, summary }) => q(`${inert(name)}:${summary}`)).join(" ");
  const names = namesOf(commands), groups = names.filter(({ second }) => second.length);
  return `#compdef pare
# zsh completion for pare: put this as _pare into a folder of $fpath
_pare() {
  local -a names
  if ((CURRENT == 2)) || [[ $words[2] == help && CURRENT -eq 3 ]]; then
    names=(${described(names.map(({ first, summary }) => ({ name: first, summary })))})
    _describe command names
    return
  fi
  local name=$words[2]
  shift words; ((CURRENT--))
  case $name in
${
    groups.map(({ first, second }) =>
      `    ${first})
      if ((CURRENT == 2)); then
        names=(${described(second)})
        _describe command names
        return
      fi
      name="$name $words[2]"
      shift words; ((CURRENT--)) ;;`
    ).join("\n")
  }
  esac
  case $name in
${entries.join("\n")}
  esac
}
if [[ $funcstack[1] == _pare ]]; then _pare "$@"; else compdef _pare pare; fi
`;
}

function fish(commands: readonly Command<Flags>[]): string {
  const q = (text: string) => quote(text.replaceAll("\\", "\\\\"), "\\'");
  const names = namesOf(commands);
  const first = names.map(({ first }) => first).join(" ");
  const lines = names.flatMap(({ first, summary, second }) => [
    `complete -c pare -n __fish_use_subcommand -a ${first} -d ${q(summary)}`,
    ...second.map(({ name, summary }) =>
      `complete -c pare -n ${
        q(`__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${
          second.map(({ name }) => name).join(" ")
        }`)
      } -a ${name} -d ${q(summary)}`
    ),
  ]);
  for (const command of commands) {
    const when = q(command.name.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`).join("; and "));
    const value = ({ words, path }: Option) => `${path ? " -F" : ""}${words.length ? ` -a ${q(words.join(" "))}` : ""}`;
    for (const option of optionsOf(command)) {
      const { long, short, help, takesValue } = option;
      lines.push(
        `complete -c pare -n ${when} -l ${long.slice(2)}${short ? ` -s ${short.slice(1)}` : ""}` +
          `${takesValue ? `${option.path ? " -r" : " -x"}${value(option)}` : ""} -d ${q(help)}`,
      );
    }
    const operand = operandOf(command);
    if (operand) lines.push(`complete -c pare -n ${when}${value(operand)}`);
  }
  return `# fish completion for pare: ~/.config/fish/completions/pare.fish
complete -c pare -f
complete -c pare -n __fish_use_subcommand -a help -d 'show what a command understands'
complete -c pare -n '__fish_seen_subcommand_from help' -a '${first}'
${lines.join("\n")}\n`;
}
