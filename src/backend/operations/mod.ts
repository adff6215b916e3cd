/** All operations as they are declared: the rule of each and its cost, by its name. */
import type { Operations } from "../backend.ts";
import { BACKWARD } from "./backward.ts";
import type { Declarations } from "./declaration.ts";
import { DISTRIBUTION } from "./distribution.ts";
import { FORWARD } from "./forward.ts";
import { HOLD } from "./hold.ts";
import { OBSERVE } from "./observe.ts";
import { PACKED } from "./packed.ts";
import { PRUNE } from "./prune.ts";
import { SOLVE } from "./solve.ts";
import { TUNE } from "./tune.ts";

export type { Cost, ShapeOf } from "./declaration.ts";

/** See the file's head. */
export const OPERATIONS: Declarations<Operations> = {
  ...HOLD,
  ...FORWARD,
  ...BACKWARD,
  ...OBSERVE,
  ...PACKED,
  ...PRUNE,
  ...SOLVE,
  ...DISTRIBUTION,
  ...TUNE,
};
