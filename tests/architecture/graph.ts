/** The module graph of the project, as `deno info` sees it, and what can be wrong with it. */
import type { Room } from "./rooms.ts";

/** One import. Paths are relative to the project, with `/`. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
  /** Nothing of it is left at run time. */
  readonly typesOnly: boolean;
}

/** The part of the answer of `deno info --json` that is used here. */
interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

/** The modules below these directories of `root`, sorted. */
export function findModules(root: URL, directories: readonly string[]): string[] {
  const found: string[] = [];
  const walk = (directory: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(directory, root))) {
      if (isDirectory) walk(`${directory}${name}/`);
      else if (name.endsWith(".ts")) found.push(directory + name);
    }
  };
  directories.forEach(walk);
  return found.sort();
}

/** Every import between files of the project that can be reached from these modules. */
export async function readGraph(root: URL, modules: readonly string[]): Promise<Arrow[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(entry, modules.map((path) => `import ${JSON.stringify(new URL(path, root))};`).join("\n"));
    const config = new URL("deno.json", root).pathname;
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", config, entry],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const info: Info = JSON.parse(new TextDecoder().decode(stdout));
    // What stands in vendor/ takes the place of packages, and packages are no rooms.
    const path = (specifier = "") =>
      specifier.startsWith(root.href) && !specifier.startsWith(new URL("vendor/", root).href)
        ? specifier.slice(root.href.length)
        : undefined;
    return info.modules.flatMap(({ specifier, error, dependencies = [] }) => {
      if (error) throw new Error(error);
      const from = path(specifier);
      return dependencies.flatMap(({ code, type }) => {
        const to = path(code?.specifier ?? type?.specifier);
        return from && to ? [{ from, to, typesOnly: code === undefined }] : [];
      });
    });
  } finally {
    await Deno.remove(entry);
  }
}

/** Imports that the rooms' table does not have, each with the reason. */
export function findForbidden(arrows: readonly Arrow[], rooms: readonly Room[]): string[] {
  const roomOf = (path: string) => rooms.find(({ files }) => files.test(path));
  return arrows.flatMap(({ from, to, typesOnly }) => {
    const source = roomOf(from), target = roomOf(to);
    if (!source || !target) return [`${source ? to : from} stands in no room`];
    const { imports } = source;
    const allowed = source === target || imports.includes(target.name) ||
      typesOnly && imports.includes(`${target.name} (types)`);
    return allowed ? [] : [`${from} imports ${to}: ${source.name} may import ${imports.join(", ") || "nothing"}`];
  });
}

/** Ways from a module back to itself, one for each module that closes a circle. */
export function findCycles(arrows: readonly Arrow[]): string[] {
  const next = Map.groupBy(arrows, ({ from }) => from);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) cycles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (done.has(path) || way.includes(path)) return;
    for (const { to } of next.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return cycles;
}
