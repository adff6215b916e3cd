/**
 * A process that tries what can be done with a registry that it may not write. Argument: the registry. It prints one JSON
 * object: whether the file can be opened for writing after all, the linears that it reads, what writing is answered.
 */
import { Registry } from "../../src/run/registry.ts";

function attempt(act: () => Disposable): string {
  try {
    act()[Symbol.dispose]();
    return "done";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

const [path] = Deno.args;
using registry = Registry.open(path, { mode: "read" });
const linears = registry.layers(registry.list().runs[0].id).length;
const plain = attempt(() => Deno.openSync(path, { write: true }));
console.log(JSON.stringify({ plain, linears, write: attempt(() => Registry.open(path, { mode: "write" })) }));
