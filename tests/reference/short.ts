/** A reference backend that runs out of memory at a place of the test's choosing. */
import { PareError } from "../../src/errors.ts";
import { ReferenceBackend } from "./backend.ts";

/** What the refused allocation says. */
export const SHORT = "the memory is short";

/** Refuses one allocation, the `failing`-th from 0 on, whichever operation asks for it. */
export class ShortBackend extends ReferenceBackend {
  /** Allocations so far, the refused one among them. */
  allocations = 0;

  constructor(failing: number) {
    super();
    let live = 0;
    // Every tensor and mask counts itself here as it is made.
    Object.defineProperty(this, "live", {
      get: () => live,
      set: (next: number) => {
        if (next > live && this.allocations++ === failing) throw new PareError(SHORT);
        live = next;
      },
    });
  }
}
