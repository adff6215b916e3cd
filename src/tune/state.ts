/** What training is to be gone on with, in a file: weights, moments and the best weights so far of every parameter. */
import { openFile } from "../checkpoint/file.ts";
import { readSafetensors } from "../checkpoint/safetensors.ts";
import type { MemoryTensor } from "../checkpoint/tensor_file.ts";
import { PareError } from "../errors.ts";
import { type Numbers, numbersIn, type Parameter } from "./parameter.ts";

/** What of a parameter is kept, by what stands before its name. */
const PARTS = ["weight", "first", "second", "best"] as const;

/** Training's state as tensors of a file. @param best The best weights so far, in the order of the parameters. */
export function stateTensors(
  parameters: readonly Parameter[],
  best: readonly Numbers[],
): MemoryTensor[] {
  return parameters.flatMap((parameter, at) =>
    PARTS.map((part) => {
      const numbers = part === "best" ? best[at] : parameter[part];
      const { name, dtype, rows, cols } = parameter, bytes = new Uint8Array(numbers.buffer);
      return { name: `${part}.${name}`, dtype, shape: [rows, cols], bytes };
    })
  );
}

/**
 * Puts parameters into the state of a file.
 * @returns The best weights so far.
 * @throws PareError if the file is of other parameters.
 */
export async function restoreState(
  path: string,
  parameters: readonly Parameter[],
): Promise<Numbers[]> {
  await using file = await openFile(path);
  const { entries, read } = await readSafetensors(file), best: Numbers[] = [];
  for (const parameter of parameters) {
    for (const part of PARTS) {
      const name = `${part}.${parameter.name}`, entry = entries.get(name);
      if (entry?.bytes !== parameter.weight.byteLength) {
        throw new PareError(
          `${path}: expected ${name} of ${parameter.rows} x ${parameter.cols}, found another or none`,
        );
      }
      const numbers = numbersIn(parameter.dtype, await read(name));
      if (part === "best") best.push(numbers);
      else parameter[part].set(numbers);
    }
  }
  return best;
}
