/** A checkpoint seen in another way, without writing it. */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";

function seen(checkpoint: Checkpoint, changed: Partial<Checkpoint>): Checkpoint {
  return new Proxy(checkpoint, {
    get(target, key) {
      const value = Reflect.get(key in changed ? changed : target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A checkpoint in which some tensors are replaced: a pruned model. */
export function overlay(checkpoint: Checkpoint, weights: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Checkpoint {
  return seen(checkpoint, {
    read: async (names) =>
      new Map([...await checkpoint.read(names)].map(([name, bytes]) => [name, weights.get(name)?.slice() ?? bytes])),
  });
}

/** A checkpoint whose numbers are widened to F32, as the golden runs load them. */
export function widen(checkpoint: Checkpoint): Checkpoint {
  const dtypeOf = (name: string) => checkpoint.tensors.get(name)!.dtype;
  const wide = (name: string, bytes: Uint8Array) => fromFloats(toFloats(bytes, dtypeOf(name)), "F32");
  return seen(checkpoint, {
    tensors: new Map([...checkpoint.tensors].map(([name, info]) => [name, { ...info, dtype: "F32" }])),
    read: async (names) => new Map([...await checkpoint.read(names)].map(([name, bytes]) => [name, wide(name, bytes)])),
    readRows: async (name, first, rows) => wide(name, await checkpoint.readRows(name, first, rows)),
  });
}
