/** A plan as flags: what `prune --plan` does is what a person would have typed. */
import type { Values } from "../../src/cli/flags.ts";
import type { pruneCommand } from "../../src/cli/prune_command.ts";
import type { Plan } from "../../src/run/record.ts";

type Flags = Values<typeof pruneCommand.flags>;

/** The flags of a plan; where things stand and how they are shown stays as it was given. */
export function planFlags(given: Flags, { request, backend, calibration }: Plan): Flags {
  // deno-lint-ignore no-explicit-any -- what prune itself has written; a lie in it shows as another id
  const asked = request as any, { group, targets } = asked;
  return {
    ...given,
    backend: backend ?? given.backend,
    method: asked.method,
    update: asked.update,
    sparsity: asked.pattern === undefined ? asked.sparsity : undefined,
    pattern: asked.pattern,
    group: typeof group === "object" ? `block:${group.block}` : group,
    variant: asked.variant ?? false,
    damping: asked.damping,
    blockSize: asked.blockSize,
    steps: asked.steps,
    holdout: asked.holdout ?? false,
    permute: asked.permute ?? false,
    shards: asked.shards,
    trueSequential: asked.trueSequential ?? false,
    reconstruct: asked.reconstruct?.epochs,
    reconstructRate: asked.reconstruct?.rate,
    allocation: asked.allocation,
    // It stands in the plan itself.
    sparsityMap: undefined,
    seed: asked.seed,
    startToken: asked.startToken,
    blocks: targets?.blocks ?? undefined,
    include: targets?.include ?? [],
    exclude: targets?.exclude ?? [],
    samples: calibration?.sequences,
    seqlen: calibration?.seqlen,
  };
}
