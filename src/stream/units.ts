/** A block's linears in the portions in which their weights are on the backend: all but the experts', then expert by expert. */
import type { Block } from "../model/block.ts";
import { expertsOf, mlpLinears } from "../model/layers.ts";
import type { Linear } from "../model/spec.ts";

/**
 * Some linears of a block, portion after portion; an expert's weights are on the backend until the next portion is asked for.
 * A portion without any of the linears is left out.
 */
export async function* units(block: Block, linears: readonly Linear[]): AsyncGenerator<readonly Linear[]> {
  const layer = expertsOf(block.spec),
    experts = layer?.experts.map((expert) => mlpLinears(expert).map(({ name }) => name));
  const ofExperts = new Set(experts?.flat());
  const resident = linears.filter(({ name }) => !ofExperts.has(name));
  if (resident.length) yield resident;
  for (const [index, names] of (experts ?? []).entries()) {
    const own = linears.filter(({ name }) => names.includes(name));
    if (!own.length) continue;
    using _ = await block.loadExpert(layer!, index);
    yield own;
  }
}
