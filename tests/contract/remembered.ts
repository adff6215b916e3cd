/**
 * Inputs and exact results are the same for every backend, so they are computed for the first and remembered for the
 * others. What is remembered is shared: nobody may write into it.
 */

/** What was computed for one argument after the other: objects by identity, and let go with them; the rest by value. */
class Memory {
  readonly #objects = new WeakMap<WeakKey, Memory>();
  readonly #plain = new Map<unknown, Memory>();
  result?: { readonly value: unknown };

  next(argument: unknown): Memory {
    const isObject = typeof argument === "function" || typeof argument === "object" && argument !== null;
    const map: Pick<Map<unknown, Memory>, "get" | "set"> = isObject ? this.#objects as never : this.#plain;
    let memory = map.get(argument);
    if (!memory) map.set(argument, memory = new Memory());
    return memory;
  }
}

/** A function of its arguments alone, which computes for the same ones only once. */
export function remembered<A extends unknown[], R>(compute: (...of: A) => R): (...of: A) => R {
  const memory = new Memory();
  return (...of) => {
    const place = of.reduce<Memory>((at, argument) => at.next(argument), memory.next(of.length));
    place.result ??= { value: compute(...of) };
    return place.result.value as R;
  };
}
