/** The stand-ins for JSR's packages (vendor/std/README.md): real names in deno.json, and no more than what is called. */
import { assertEquals, assertMatch } from "@std/assert";
import * as assertions from "../../vendor/std/assert/mod.ts";
import * as parsing from "../../vendor/std/cli/parse_args.ts";
import { findModules } from "./graph.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

Deno.test("a stand-in exports what is imported from its package, and no more", () => {
  const sources = findModules(ROOT, ["src/", "scripts/", "tests/"]).map(read);
  for (const [specifier, module] of [["@std/assert", assertions], ["@std/cli/parse-args", parsing]] as const) {
    const imports = new RegExp(`^import \\{([^}]*)\\} from "${specifier}";`, "gm");
    const names = sources.flatMap((source) =>
      [...source.matchAll(imports)].flatMap(([, names]) => names.match(/\w+/g)!)
    );
    assertEquals([...new Set(names)].sort(), Object.keys(module).sort());
  }
});

Deno.test("deno.json names the packages as JSR has them, and the lock holds no address", () => {
  const { imports, links } = JSON.parse(read("deno.json"));
  assertMatch(imports["@std/assert"], /^jsr:@std\/assert@\^1/);
  assertMatch(imports["@std/cli"], /^jsr:@std\/cli@\^1/);
  assertEquals(links, ["./vendor/std/assert", "./vendor/std/cli"]);
  assertEquals(read("deno.lock").match(/\w+:\/\/.*/g), null);
});
