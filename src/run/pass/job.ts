/** One of the prunings that a comparison makes. */
import type { Allocation, Damping, Method, Request, SolverOptions } from "../../mod.ts";

/** A method as `--methods` names it: with what goes with it behind a `+`, or without. */
export interface Variant {
  readonly name: string;
  readonly method: Method;
  readonly allocation: Allocation;
  /** Its own, instead of `--damping`. */
  readonly damping?: Damping;
  readonly permute: boolean;
  /** How often its blocks are fitted, if they are. */
  readonly epochs?: number;
}

/** A method with what is asked of it. */
export interface Job extends Variant {
  readonly asked: string;
  readonly request: Request;
  readonly solve: SolverOptions;
}

/** Whether a method's masks or weights depend on the calibration. */
export const isCalibrated = (variant: Variant): boolean =>
  observes(variant) || variant.allocation.statistic !== undefined;

/** Whether calibration sequences go through its pass. */
export const observes = ({ method, epochs }: Pick<Variant, "method" | "epochs">): boolean =>
  method.statistic !== "none" || epochs !== undefined;
