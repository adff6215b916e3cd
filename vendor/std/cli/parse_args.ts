/**
 * The part of `@std/cli/parse-args` that Pare uses, with its signature and its rules. It stands in where JSR cannot be
 * reached; see the README beside it.
 */

/** What {@linkcode parseArgs} is to know of the flags. Names stand without their dashes. */
export interface ParseOptions {
  /** Flags that take no value (`--flag`, `--flag=false`); false if they are not given. */
  boolean?: readonly string[];
  /** Flags whose value is a string even if it looks like a number; a missing one is `""`. `_`: positional ones too. */
  string?: readonly string[];
  /** Flags that may be repeated: their values come as an array, in order. */
  collect?: readonly string[];
  /** Other names of a flag; each name gets the value. */
  alias?: Record<string, readonly string[]>;
  /** Called for each argument that no option names (key is undefined: a positional one); `false` leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Values by flag name; positional arguments under `_`. */
export interface Args {
  /** The positional arguments. */
  _: (string | number)[];
  [name: string]: unknown;
}

/** Reads a command line: `--flag`, `--flag value`, `--flag=value`, and behind `--` whatever follows. */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const { boolean = [], string = [], collect = [], alias = {}, unknown } = options;
  const groups = Object.entries(alias).map(([name, others]) => [name, ...others]);
  const namesOf = (key: string) => groups.find((group) => group.includes(key)) ?? [key];
  const has = (names: readonly string[], key: string) => namesOf(key).some((name) => names.includes(name));

  const result: Args = { _: [] };
  for (const key of boolean) for (const name of namesOf(key)) result[name] = false;
  for (const key of collect) for (const name of namesOf(key)) result[name] = [];
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  for (let i = 0; i < end; i++) {
    const arg = args[i], next = i + 1 < args.length ? args[i + 1] : "-";
    const [, key, text] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (key === undefined) {
      if (unknown?.(arg) !== false) result._.push(arg);
      continue;
    }
    let value: string | boolean;
    if (has(boolean, key)) value = (text ?? (/^(true|false)$/.test(next) ? args[++i] : "true")) !== "false";
    else if (has(string, key)) value = text ?? (next.startsWith("-") ? "" : args[++i]);
    else if (unknown?.(arg, key, text ?? true) === false) continue;
    else throw new TypeError(`${arg}: the stand-in for @std/cli knows no flags but those of "boolean" and "string"`);
    for (const name of namesOf(key)) {
      result[name] = has(collect, key) ? [...result[name] as unknown[], value] : value;
    }
  }
  result._.push(...args.slice(end + 1));
  return result;
}
