/**
 * The part of `@std/cli/parse-args` that Pare uses, with its signature and its rules. It stands in where JSR cannot be
 * reached; see the README beside it.
 */

/** What {@linkcode parseArgs} is to know of the flags. Names stand without their dashes. */
export interface ParseOptions {
  /** Flags that take no value (`--flag`, `--flag=false`), or `true`: every flag that is not a string. */
  boolean?: boolean | string | readonly string[];
  /** Flags whose value is a string even if it looks like a number; a missing one is `""`. `_`: positional ones too. */
  string?: string | readonly string[];
  /** Flags that may be repeated: their values come as an array. */
  collect?: string | readonly string[];
  /** Flags that `--no-flag` sets to false. */
  negatable?: string | readonly string[];
  /** Values of flags that are not given. */
  default?: Record<string, unknown>;
  /** Other names of a flag; each name gets the value. */
  alias?: Record<string, string | readonly string[]>;
  /** Puts what follows `--` into the key `"--"` instead of `_`. */
  "--"?: boolean;
  /** Treats everything after the first positional argument as positional. */
  stopEarly?: boolean;
  /** Called for each argument that no option names (key is undefined: a positional one); `false` leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Values by flag name; positional arguments under `_`. */
export interface Args {
  /** The positional arguments. */
  _: (string | number)[];
  // deno-lint-ignore no-explicit-any -- as in the real package
  [name: string]: any;
}

function list(names: boolean | string | readonly string[] | undefined): readonly string[] {
  return typeof names === "string" ? [names] : Array.isArray(names) ? names : [];
}

function isNumeric(text: string): boolean {
  return /^0x[0-9a-f]+$/i.test(text) || /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i.test(text);
}

/** Reads a command line: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-abc`, `--no-flag`, `--`. */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const aliases = new Map<string, string[]>();
  for (const [name, others] of Object.entries(options.alias ?? {})) {
    const group = [name, ...list(others)];
    for (const member of group) aliases.set(member, group);
  }
  const namesOf = (key: string) => aliases.get(key) ?? [key];
  const members = (names: boolean | string | readonly string[] | undefined) => new Set(list(names).flatMap(namesOf));
  const booleans = members(options.boolean);
  const strings = members(options.string);
  const collected = members(options.collect);
  const negatable = members(options.negatable);
  const known = new Set([...booleans, ...strings, ...collected, ...negatable, ...aliases.keys()]);
  const isBoolean = (key: string) => booleans.has(key) || (options.boolean === true && !strings.has(key));

  const result: Args = { _: [] };
  const set = (key: string, value: unknown) => {
    for (const name of namesOf(key)) {
      result[name] = collected.has(key) ? [...(result[name] ?? []), value] : value;
    }
  };
  const give = (arg: string, key: string, text: string | boolean) => {
    const value = typeof text === "string" && !strings.has(key) && isNumeric(text) ? Number(text) : text;
    if (!known.has(key) && options.unknown?.(arg, key, value) === false) return;
    set(key, value);
  };

  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const next = () => args[i + 1];
    /** A flag that came without `=`: the next argument is its value, unless it looks like a flag. */
    const follow = (key: string) => {
      if (isBoolean(key)) {
        if (next() !== "true" && next() !== "false") give(arg, key, true);
        else give(arg, key, args[++i] === "true");
      } else if (next() !== undefined && !next().startsWith("-")) {
        give(arg, key, args[++i]);
      } else {
        give(arg, key, strings.has(key) ? "" : true);
      }
    };
    const inline = (key: string, text: string) => give(arg, key, isBoolean(key) ? text !== "false" : text);

    if (arg === "--") {
      if (options["--"]) result["--"] = args.slice(i + 1);
      else result._.push(...args.slice(i + 1));
      break;
    }
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
    const short = /^-([^-].*)$/s.exec(arg);
    if (long) {
      const [, key, text] = long;
      const positive = key.replace(/^no-/, "");
      if (text !== undefined) inline(key, text);
      else if (positive !== key && negatable.has(positive)) set(positive, false);
      else follow(key);
    } else if (short) {
      let letters = short[1];
      while (letters !== "") {
        const key = letters[0];
        const rest = letters.slice(1);
        letters = "";
        if (rest === "") follow(key);
        else if (rest.startsWith("=")) inline(key, rest.slice(1));
        else if (strings.has(key)) give(arg, key, rest);
        else {
          give(arg, key, true);
          letters = rest;
        }
      }
    } else {
      if (options.unknown?.(arg) === false) continue;
      result._.push(!strings.has("_") && isNumeric(arg) ? Number(arg) : arg);
      if (options.stopEarly) {
        result._.push(...args.slice(i + 1));
        break;
      }
    }
  }

  for (const [key, value] of Object.entries(options.default ?? {})) {
    for (const name of namesOf(key)) if (!(name in result)) result[name] = value;
  }
  for (const key of booleans) result[key] ??= false;
  for (const key of collected) result[key] ??= [];
  if (options["--"]) result["--"] ??= [];
  return result;
}
