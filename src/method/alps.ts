/**
 * ALPS (Meng, Behdin, Wang, Mazumder, NeurIPS 2024): ADMM (`admm.ts`) whose penalty begins small and grows as long as the mask
 * still changes, and conjugate gradients (`pcg.ts`) for the weights at the end.
 */
import type { Mask, Tensor } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { follow, inverting, pull, resolvent, select } from "./admm.ts";
import { equilibrate } from "./equilibrated.ts";
import { Latest } from "./latest.ts";
import type { Method } from "./method.ts";
import { descend, descent, STEPS as DESCENT_STEPS } from "./pcg.ts";

/** The penalty at first and at most, the steps at most, and after how many of them it is reviewed: algorithm 1. */
const FIRST = 0.1, MOST = 1e6, STEPS = 300, REVIEW = 3;
/** A mask of which less than this share of the kept changes has settled, after so many steps. */
const SETTLED = 0.0003, EARLIEST = 30;

/** What a review finds: the next penalty, whether to begin again with it, whether the mask has settled. */
interface Review {
  /** At most {@linkcode MOST}. */
  readonly penalty: number;
  readonly again?: boolean;
  readonly settled?: boolean;
}

/**
 * The published schedule: much change asks for a penalty that grows fast. Until it has grown once, no change or little says
 * that it was too large to begin with.
 */
function review(penalty: number, change: number, raised: boolean): Review {
  const grown = (by: number) => ({ penalty: Math.min(MOST, penalty * by) });
  if (change > 0.1) return grown(1.3);
  if (change > 0.005) return grown(1.2);
  if (change > 0) return raised ? grown(1.1) : { penalty: penalty / 5, again: true };
  return raised ? { penalty, settled: true } : { penalty: penalty / 5 };
}

/** How many bits of two masks differ. */
function differing(one: Uint32Array, other: Uint32Array): number {
  return one.reduce((sum, word, at) => sum + countBits(word ^ other[at]), 0);
}

/** The ones of a 32-bit word (Warren, Hacker's Delight, figure 5-2). */
function countBits(word: number): number {
  word -= word >>> 1 & 0x55555555;
  word = (word & 0x33333333) + (word >>> 2 & 0x33333333);
  return Math.imul(word + (word >>> 4) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** What the descent at the end takes. */
const DESCENT = descent(DESCENT_STEPS);

/** Masks by ADMM with a penalty that grows, weights by conjugate gradients. */
export const alps: Method = {
  name: "alps",
  statistic: "gram",
  supports: ["group"],
  damping: "auto",
  // The Hessian and an inverse more than ADMM, that of the first penalty. What is left of a step's Y until its review is all
  // that stands beside the next Y then.
  effort: {
    holds: { inputs: 5, weights: 3 },
    begin: (cols) => DESCENT.begin(cols) + inverting(cols),
    prune: (rows, cols) =>
      2 * EARLIEST * rows * cols ** 2 + EARLIEST / REVIEW * inverting(cols) + DESCENT.prune(rows, cols),
  },
  async begin(backend, input, { damping }) {
    using scope = new DisposableStack();
    const scale = await equilibrate(backend, input, { damping, clearDead: true });
    if (!scale) return undefined;
    scope.use(scale);
    const initial = await resolvent(backend, scale, FIRST);
    if (!initial) return undefined;
    scope.use(initial);
    const owned = scope.move();
    return {
      damping,
      async prune({ name, weight }, request) {
        const words = async (mask: Mask) => new Uint32Array((await backend.read(mask))[0].buffer);
        const inverted = async (penalty: number) => {
          const inverse = await resolvent(backend, scale, penalty);
          if (inverse) return inverse;
          throw new PareError(
            `${name}: the Hessian of the inputs cannot be inverted: expected more calibration tokens`,
          );
        };
        using y = new Latest(scale.scaled(weight)), mask = new Latest(select(backend, y.value, request));
        // Of a step that is reviewed: the mask that it began with, and what is left of its y.
        using gone = new Latest<Mask>(), left = new Latest<Tensor>();
        using later = new Latest<Tensor>();
        const first = await words(mask.value);
        const kept = weight.rows * weight.cols - differing(first, new Uint32Array(first.length));
        let penalty = FIRST, inverse = initial, carry = 0, raised = false, before = first;
        for (let step = 1;; step++) {
          using next = new Latest(pull(backend, scale, weight, y.value, mask.value, inverse, carry));
          follow(backend, scale, weight, y.value, mask.value, next.value);
          const reviewed = step % REVIEW === 0;
          if (reviewed) [left.value, gone.value] = [y.release(), mask.release()];
          y.value = next.release();
          mask.value = select(backend, y.value, request);
          carry = 1;
          if (!reviewed) continue;
          const now = await words(mask.value), change = differing(now, before) / kept;
          const found = review(penalty, change, raised);
          // The last step is one that is reviewed. Its X is what is looked for.
          if (found.settled || step > EARLIEST && change < SETTLED || step >= STEPS) {
            const [u, b] = [{ tensor: left.value, unscaled: true }, { tensor: weight }];
            const removed = [u, b].map((term) => ({ ...term, kept: 0, removed: 1 }));
            const terms = [{ tensor: y.value, kept: 1, unscaled: true }, ...removed];
            backend.combineInto(terms, { mask: gone.value, columns: scale.columns });
            break;
          }
          raised ||= found.penalty > penalty;
          before = now;
          // The multiplier is held by the penalty.
          carry = penalty / found.penalty;
          if (found.again) {
            y.value = scale.scaled(weight);
            mask.value = select(backend, y.value, request);
            [before, carry] = [first, 0];
          }
          penalty = found.penalty;
          left[Symbol.dispose]();
          later[Symbol.dispose]();
          inverse = later.value = await inverted(penalty);
        }
        left[Symbol.dispose]();
        mask.value = select(backend, y.value, request);
        backend.apply(y.value, mask.value);
        const start = { dense: weight, x: y.value, mask: mask.value };
        await descend(backend, scale, start, { heldOut: input.heldOut });
        scale.store(weight, y.value, mask.value);
        return mask.release();
      },
      [Symbol.dispose]: () => owned.dispose(),
    };
  },
};
