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

/** Groups, as an error names them. */
const GROUPED = "int8:GROUP or int4:GROUP";

/**
 * Values of a type, in groups if they are integers.
 * @throws PareError for what is none.
 */
export function parseValues(
  text: string,
  flag: string,
): QuantizedValues | { readonly valueType: "F32" | "F16" | "BF16" } {
  return parsed(text, flag) ?? refuse(text, flag, `${Object.keys(NAMES).join(", ")}, or ${GROUPED}`);
}

/**
 * The same, of integers.
 * @throws PareError for what is none.
 */
export function parseQuantized(text: string, flag: string): QuantizedValues {
  const values = parsed(text, flag);
  return values && "group" in values ? values : refuse(text, flag, `int8 or int4, or ${GROUPED}`);
}

function refuse(text: string, flag: string, expected: string): never {
  throw new PareError(`${flag} ${text}: expected ${expected}`);
}

/** Values of a type; undefined if there is none of that name. */
function parsed(text: string, flag: string): ReturnType<typeof parseValues> | undefined {
  const [, name, size] = /^(\w+)(?::(\d+))?$/.exec(text) ?? [], valueType = NAMES[name ?? ""];
  if (!valueType) return undefined;
  if (!isQuantized(valueType)) {
    if (size !== undefined) throw new PareError(`${flag} ${text}: groups are for int8 and int4`);
    return { valueType };
  }
  const group = size === undefined ? GROUPS[valueType] : Number(size);
  if (!(group >= SCALE_UNIT && group <= LARGEST_SCALE_GROUP && group % SCALE_UNIT === 0)) {
    refuse(text, flag, `groups of ${SCALE_UNIT} to ${LARGEST_SCALE_GROUP} columns, by ${SCALE_UNIT}`);
  }
  return { valueType, group };
}
