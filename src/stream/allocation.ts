/** What is asked of which linear, where it is not the same for all: by an allocation among blocks, or by a person's map. */
import { PareError } from "../errors.ts";
import { type Allocation, makeRequest, type Method, parsePattern, type Request } from "../method/mod.ts";
import type { ModelSpec } from "../model/spec.ts";
import { compileGlob, linearNames, type Requests, type Targets } from "./target.ts";

/** Name globs and what they ask: a share of the weights to remove, or n:m. */
export type SparsityMap = Readonly<Record<string, number | string>>;

/**
 * The requests of a map; a linear that several globs match takes the last one's, one that none matches the common request.
 * @throws PareError for a map that is no object of shares and patterns, or a glob that matches nothing.
 */
export function mapRequests(spec: ModelSpec, method: Method, common: Request, map: SparsityMap): Requests {
  const linears = linearNames(spec), { group, variant } = common;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new PareError('--sparsity-map: expected an object such as {"*.mlp.*": 0.6, "q_proj": "2:4"}');
  }
  const rules = Object.entries(map).map(([glob, asked]) => {
    const matches = compileGlob(linears, "--sparsity-map", glob);
    if (typeof asked !== "number" && typeof asked !== "string") {
      throw new PareError(`--sparsity-map ${glob}: expected a share such as 0.5 or a pattern such as "2:4"`);
    }
    if (typeof asked === "number" && asked > 1 && asked < 100) {
      const share = Number((asked / 100).toPrecision(12));
      throw new PareError(`--sparsity-map ${glob}: ${asked}: expected a share in [0, 1); did you mean ${share}?`);
    }
    try {
      const part = typeof asked === "number" ? { sparsity: asked } : { pattern: parsePattern(asked) };
      return { matches, request: makeRequest(method, { ...part, group, variant }) };
    } catch (error) {
      throw error instanceof PareError ? new PareError(`--sparsity-map ${glob}: ${error.message}`) : error;
    }
  });
  return (linear) => rules.findLast(({ matches }) => matches.test(linear))?.request ?? common;
}

/**
 * An allocation's requests: every block its own sparsity, of the blocks that are pruned.
 * @param statistics What the allocation asks to know of every block of the model, from {@linkcode blockStatistics}.
 */
export function allocate(
  allocation: Allocation,
  targets: Targets,
  common: Request,
  statistics?: readonly number[],
): Requests {
  const blocks = [...targets.keys()];
  const sparsities = allocation.share(blocks.map((block) => statistics?.[block] ?? block), common.sparsity);
  const requests = new Map(
    blocks.flatMap((block, i) =>
      targets.get(block)!.map(({ name }) => [name, { ...common, sparsity: sparsities[i] }] as const)
    ),
  );
  return (linear) => requests.get(linear) ?? common;
}
