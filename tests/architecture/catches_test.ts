/** No error is lost unseen: whoever lets one go looks at it first, or says by a name who else is told of it. */
import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

/** Ways to let any error go: a `catch` without a name, and handlers of a promise that do not look. */
const BLIND = [/\bcatch\s*\{/, /\.catch\(\s*(async\s*)?\(\s*\)\s*=>/, /\.then\(.*,\s*\(\s*\)\s*=>[^()]*\)/];

/** The lines of a source that let any error go. */
function blindLines(source: string): string[] {
  return source.split("\n").filter((line) => BLIND.some((pattern) => pattern.test(line))).map((line) => line.trim());
}

function* sources(folder: URL): Generator<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield new URL(name, folder);
  }
}

Deno.test("no error is let go without a look at it (insteadOf, isExpected and toldElsewhere of src/errors.ts name which)", () => {
  const found = ["src/", "scripts/"].flatMap((folder) =>
    [...sources(new URL(folder, ROOT))].flatMap((file) =>
      blindLines(Deno.readTextFileSync(file)).map((line) => `${file.href.slice(ROOT.href.length)}: ${line}`)
    )
  );
  assertEquals(found, []);
});

Deno.test("a blind catch is seen in each of its forms, and one that looks is let be", () => {
  const blind = ["} catch {", "p.catch(() => {});", "p.catch(async () => 1)", "p.then(({ a }) => a, () => false);"];
  for (const line of blind) assertEquals(blindLines(line), [line]);
  for (
    const line of ["} catch (error) {", "p.catch((_error) => {})", "p.catch(insteadOf(ABSENT, 1))", "p.then(() => 1)"]
  ) {
    assertEquals(blindLines(line), []);
  }
});
