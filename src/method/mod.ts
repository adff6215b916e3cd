/** The methods that Pare knows. A new one is a file and a line here. */
import { PareError } from "../errors.ts";
import { admm } from "./admm.ts";
import { type Allocation, ALLOCATIONS } from "./allocation.ts";
import { alps } from "./alps.ts";
import { magnitude } from "./magnitude.ts";
import type { Method } from "./method.ts";
import { ria } from "./ria.ts";
import { sparsegpt } from "./sparsegpt.ts";
import { wanda } from "./wanda.ts";

export * from "./allocation.ts";
export * from "./method.ts";
export * from "./request.ts";
export * from "./update.ts";

/** Every method, by its name. */
export const METHODS: ReadonlyMap<string, Method> = new Map(
  [magnitude, sparsegpt, wanda, ria, admm, alps].map((method) => [method.name, method]),
);

/**
 * A method by its name.
 * @throws PareError for a name that is not known.
 */
export function findMethod(name: string): Method {
  const method = METHODS.get(name);
  if (!method) throw new PareError(`--method ${name}: not known; known are ${[...METHODS.keys()].join(", ")}`);
  return method;
}

/**
 * An allocation by its name.
 * @throws PareError for a name that is not known.
 */
export function findAllocation(name: string): Allocation {
  const allocation = ALLOCATIONS.get(name);
  if (!allocation) {
    throw new PareError(`--allocation ${name}: not known; known are ${[...ALLOCATIONS.keys()].join(", ")}`);
  }
  return allocation;
}
