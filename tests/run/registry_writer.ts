/**
 * A process that writes a run into a registry as fast as it can, for tests that start several or kill one. Arguments: the
 * registry, the model's name, how many linears. It prints `<id> <linear>` after each linear that the registry has taken.
 */
import { Registry } from "../../src/run/registry.ts";
import { linear, manifest } from "./runs.ts";

const [path, model, count] = Deno.args;
using registry = Registry.open(path, { mode: "write" });
const id = registry.begin(manifest({ model }));
for (let index = 0; index < Number(count); index++) {
  registry.progress(id, { phase: "prune", block: index, blocks: Number(count), done: index, total: Number(count) });
  registry.linear(id, linear(`linear.${index}`, index));
  Deno.stdout.writeSync(new TextEncoder().encode(`${id} ${index}\n`));
}
registry.finish(id, { phases: {} });
