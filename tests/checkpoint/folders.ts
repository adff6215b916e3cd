/** Folders for the tests of checkpoints: temporary ones, copies of a fixture, and what a folder holds. */

/** The model directories that come with the repository. */
export const FIXTURES = new URL("../fixtures/models", import.meta.url).pathname;

/** An empty folder that is gone when its scope ends. */
export function temporary(): { path: string } & Disposable {
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "pare-" }));
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** The names in a folder, sorted. */
export function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

/** Every file of a folder with its bytes. */
export function snapshot(path: string): [name: string, bytes: Uint8Array][] {
  return names(path).map((name) => [name, Deno.readFileSync(`${path}/${name}`)]);
}

/** Copies the files of a folder. */
export function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const [name, bytes] of snapshot(from)) Deno.writeFileSync(`${to}/${name}`, bytes);
}

/** Copies a folder with all that is in it, as whoever dies now would leave it. */
export function copyTree(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyTree(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}
