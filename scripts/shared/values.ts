/** How the numbers of weights are stored, as people write it: `int8`, `int4:64`. */
import {
  isQuantized,
  LARGEST_SCALE_GROUP,
  PareError,
  type QuantizedValues,
  SCALE_UNIT,
  type ValueType,
} from "../../src/mod.ts";

/** Columns that share a scale unless said. */
const GROUPS = { I8: 128, I4: 32 } as const;
const NAMES: Readonly<Record<string, ValueType>> = { f32: "F32", f16: "F16", bf16: "BF16", int8: "I8", int4: "I4" };

/**
 * Values of a type, in groups if they are integers.
 * @throws PareError for what is none.
 */
export function parseValues(
  text: string,
  flag: string,
): QuantizedValues | { readonly valueType: "F32" | "F16" | "BF16" } {
  const [, name, size] = /^(\w+)(?::(\d+))?$/.exec(text) ?? [], valueType = NAMES[name ?? ""];
  if (!valueType) {
    throw new PareError(`${flag} ${text}: expected ${Object.keys(NAMES).join(", ")}, or int8:GROUP or int4:GROUP`);
  }
  if (!isQuantized(valueType)) {
    if (size !== undefined) throw new PareError(`${flag} ${text}: groups are for int8 and int4`);
    return { valueType };
  }
  const group = size === undefined ? GROUPS[valueType] : Number(size);
  if (!(group >= SCALE_UNIT && group <= LARGEST_SCALE_GROUP && group % SCALE_UNIT === 0)) {
    throw new PareError(
      `${flag} ${text}: expected groups of ${SCALE_UNIT} to ${LARGEST_SCALE_GROUP} columns, by ${SCALE_UNIT}`,
    );
  }
  return { valueType, group };
}

/**
 * The same, of integers.
 * @throws PareError for what is none.
 */
export function parseQuantized(text: string, flag: string): QuantizedValues {
  const values = parseValues(text, flag);
  if ("group" in values) return values;
  throw new PareError(`${flag} ${text}: expected int8 or int4, or int8:GROUP or int4:GROUP`);
}
