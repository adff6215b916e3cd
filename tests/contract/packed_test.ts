/** Claims about packed weights: they expand to what they stand for, and `linear` multiplies with that. */
import { assertEquals, assertThrows } from "@std/assert";
import { type Backend, expandedDtype, type PackedData, patternName, type Tensor } from "../../src/backend/backend.ts";
import { expandByHand, type Kind, packByHand } from "../reference/packed.ts";
import { gamma, underflow } from "./bounds.ts";
import { assertHeld, assertSameBytes, contract, type Expected, LONG } from "./contract.ts";
import { draw, generator, INTEGERS, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

const FLOATS = ["F32", "F16", "BF16"] as const, INTEGER_TYPES = ["I8", "I4"] as const;
const PATTERNS = ["dense", "bitmask", { n: 2, m: 4 }, { n: 4, m: 8 }, { n: 8, m: 16 }, { n: 3, m: 32 }] as const;

/** Columns that share a scale: one word of a mask, and several. */
const GROUPS = { I8: 128, I4: 32 } as const;

/** Every kind of weight: values, patterns, scales for 32 columns and for more. */
const KINDS: readonly Kind[] = PATTERNS.flatMap((pattern): Kind[] => [
  ...FLOATS.map((valueType) => ({ valueType, pattern })),
  ...INTEGER_TYPES.map((valueType) => ({ valueType, pattern, group: GROUPS[valueType] })),
]);

/** Rows and columns: one of each, blocks and groups that are cut at the edge, more than a segment. */
const shapes = (long: number): readonly (readonly [number, number])[] => [
  [1, 1],
  [1, 7],
  [9, 1],
  [1, 33],
  [8, 32],
  [17, 96],
  [7, 160],
  [5, 48],
  [3, 40],
  [33, 416],
  [9, 192],
  [3, long - long % 2 + 1],
];

/** Which numbers of a matrix are stored: some rows none, some all, some one, the others about half. */
function keeper(seed: number, cols: number, { pattern }: Kind): (row: number, col: number) => boolean {
  const random = generator(seed), chosen = new Map<string, Set<number>>();
  return (row, col) => {
    if (typeof pattern === "object") {
      const { n, m } = pattern, key = `${row} ${Math.floor(col / m)}`;
      const own = chosen.get(key) ?? new Set<number>();
      while (own.size < n) own.add(Math.floor(random() * m));
      chosen.set(key, own);
      return own.has(col % m);
    }
    if (row % 5 === 1) return false;
    if (row % 5 === 2) return true;
    if (row % 5 === 3) return col === cols - 1;
    return random() < 0.5;
  };
}

/** Draws of a weight's values: `small` integers that every type holds, with scales that are powers of 2, or anything. */
type Values = "small" | "any" | "edges";

/** A packed weight. */
const packed = remembered((seed: number, rows: number, cols: number, kind: Kind, values: Values): PackedData => {
  const random = generator(seed), keeps = keeper(seed + 1000, cols, kind);
  const most = kind.valueType === "I4" ? 7 : 127;
  const drawn = (): number => {
    if (values === "small") return Math.floor(random() * 15) - 7;
    if (kind.group) return Math.floor(random() * (2 * most + 1)) - most;
    // The extremes of F16 that is stored as such, else what all hold.
    if (values === "edges") {
      return (random() < 0.5 ? -1 : 1) *
        (kind.valueType === "F16" ? [65504, 2 ** -24, 2 ** -14] : [1, 2, 2 ** 30])[Math.floor(random() * 3)];
    }
    return NORMAL(random);
  };
  const scales = values === "small"
    ? [1, 2, 0.5]
    : values === "edges"
    ? [0, 2 ** -100, 2 ** 9]
    : [0.0078125, 0.01171875, 1.5];
  return packByHand(rows, cols, kind, drawn, keeps, (row, group) => scales[(row + group) % 3]);
});

/** The kinds and shapes that go together. */
function* cases(long: number): Generator<[Kind, number, number, string]> {
  for (const kind of KINDS) {
    for (const [rows, cols] of shapes(long)) {
      if (typeof kind.pattern === "object" && cols % kind.pattern.m) continue;
      const name = `${kind.valueType}${kind.group ? ` in ${kind.group}s` : ""} ${patternName(kind.pattern)}`;
      yield [kind, rows, cols, `${name} ${rows} x ${cols}`];
    }
  }
}

/**
 * Rows of x to multiply with a weight of some kind. A shader is made anew for every kind and every number of rows up to four,
 * which takes a software driver a fifth of a second; few.wgsl knows rows of x apart from how a weight is stored. So WebGPU is
 * asked for two and three of them of these kinds alone, for one and four of all.
 */
function counts(backend: Backend, { valueType, pattern }: Kind, all: readonly number[], others: readonly number[]) {
  const every = ["F16", "I4"].includes(valueType) && ["dense", "bitmask"].includes(patternName(pattern));
  return backend.name !== "webgpu" || every ? all : others;
}

/** `x Wᵀ + b`, the same sum of magnitudes, and what sums of a row's numbers are when x is 1, all in f64. */
const product = remembered((x: Matrix, data: PackedData, bias: Matrix) => {
  const { rows, cols, group = cols } = data, weight = dense(data), values = new Float64Array(x.rows * rows);
  const magnitudes = values.slice(), rounding = values.slice();
  for (let t = 0; t < x.rows; t++) {
    const largest = Float64Array.from({ length: Math.ceil(cols / group) }, (_, g) => {
      const own = x.values.subarray(t * cols + g * group, t * cols + Math.min(cols, (g + 1) * group));
      return own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    });
    for (let i = 0; i < rows; i++) {
      let sum = bias.values[i], magnitude = Math.abs(sum), off = 0;
      for (let k = 0; k < cols; k++) {
        const number = weight[i * cols + k], term = x.values[t * cols + k] * number;
        sum += term;
        magnitude += Math.abs(term);
        off += Math.abs(number) * largest[Math.floor(k / group)];
      }
      values[t * rows + i] = sum;
      magnitudes[t * rows + i] = magnitude;
      rounding[t * rows + i] = off;
    }
  }
  return { values, magnitudes, rounding };
});

const dense = remembered(expandByHand);

/** Puts a packed weight on the backend until the claim is done. */
const put = (backend: Backend, keep: <T extends Disposable>(one: T) => T, data: PackedData) =>
  keep(backend.uploadPacked(data));

contract("packed weights", (claim) => {
  claim("expand to every number that they stand for, exactly", async ({ backend, keep, long }) => {
    for (const values of ["any", "edges"] as const) {
      const expected: (Expected & { held: Tensor })[] = [];
      for (const [kind, rows, cols, what] of cases(long)) {
        const data = packed(11, rows, cols, kind, values), weight = put(backend, keep, data);
        assertEquals([weight.rows, weight.cols, weight.valueType], [rows, cols, kind.valueType]);
        const held = keep(backend.expand(weight)), want = dense(data);
        assertEquals(held.dtype, expandedDtype(kind), what);
        // A GPU may flush what is no normal number; of a type that is only moved it has no chance to.
        const bounds = kind.group && backend.name === "webgpu" ? want.map(() => underflow(backend)) : undefined;
        expected.push({ what, held, values: want, bounds });
      }
      await assertHeld(backend, expected);
    }
  });

  claim(
    "are multiplied with exactly, where f32 is exact and x is not rounded",
    async ({ backend, hold, keep, long }) => {
      for (const tokens of [1, 7, 8, 9]) {
        const expected: Expected[] = [];
        for (const [kind, rows, cols, what] of cases(long)) {
          if (!counts(backend, kind, [1, 7, 8, 9], [1, 8, 9]).includes(tokens)) continue;
          if (kind.group && tokens === 1) continue; // x may be rounded
          const data = packed(12, rows, cols, kind, "small"), x = draw(3, tokens, cols, "F32", INTEGERS);
          const bias = draw(4, 1, rows, expandedDtype(kind), INTEGERS);
          const held = keep(backend.linear(hold(x), put(backend, keep, data), hold(bias)));
          expected.push({ what: `${tokens} by ${what}`, held, values: product(x, data, bias).values });
        }
        await assertHeld(backend, expected);
      }
    },
  );

  // K products, K - 1 sums, the bias and two factors round as an f32 sum does (Higham, section 3.1). Of integers and one token,
  // x may be rounded to 16 bits: half a step, 1 / 65534 of the largest of a group, for each number of the weight, and groups
  // that are below 1e-33 to nothing. Kernels may add four-bit values as they are stored, 8 more than they stand for, and
  // take the 8 away: numbers of up to 15 in place of 7, and as large ones of x in a group.
  claim("keep the rounding of an f32 sum, and of x in 16 bits where it is one token and integers", async (stage) => {
    const { backend, hold, keep, long } = stage;
    for (const tokens of [1, 5, 6]) {
      for (const values of ["any", "edges"] as const) {
        const expected: Expected[] = [];
        for (const [kind, rows, cols, what] of cases(long)) {
          if (!counts(backend, kind, [1, 6], [1, 5]).includes(tokens)) continue;
          const data = packed(13, rows, cols, kind, values), x = draw(5, tokens, cols, "F32", NORMAL);
          const bias = draw(6, 1, rows, expandedDtype(kind), NORMAL);
          const held = keep(backend.linear(hold(x), put(backend, keep, data), hold(bias)));
          const { values: want, magnitudes, rounding } = product(x, data, bias);
          const scaled = scaleSums(data);
          const bounds = want.map((_, at) => {
            const inflated = kind.valueType === "I4" ? 17 * 1.5 * scaled[at % rows] : 0;
            const off = kind.group && tokens === 1 ? rounding[at] / 65534 * (1 + 2 ** -20) : 0;
            return gamma(cols + 6) * (magnitudes[at] + inflated) + off + underflow(backend) * cols;
          });
          expected.push({ what: `${tokens} by ${what}`, held, values: want, bounds });
        }
        await assertHeld(backend, expected);
      }
    }
  });

  claim("whose rows are all zero give the bias, and whose x is zero too", async ({ backend, hold, keep }) => {
    for (const kind of KINDS) {
      if (kind.pattern !== "bitmask" && !kind.group) continue;
      const none = packByHand(
        9,
        64,
        kind,
        () => 0,
        (_, col) => typeof kind.pattern === "object" && col % 32 < 3,
        () => 0,
      );
      if (typeof kind.pattern === "object" && kind.pattern.m !== 32) continue;
      const bias = draw(7, 1, 9, "F32", NORMAL), x = draw(8, 1, 64, "F32", NORMAL);
      const some = packed(14, 9, 64, kind, "any"), nothing = matrix(1, 64, "F32", new Float32Array(64));
      const a = keep(backend.linear(hold(x), put(backend, keep, none), hold(bias)));
      const b = keep(backend.linear(hold(nothing), put(backend, keep, some), hold(bias)));
      const what = `${kind.valueType} ${patternName(kind.pattern)}`;
      await assertHeld(backend, [
        { what: `no weight, ${what}`, held: a, values: bias.values },
        { what: `no x, ${what}`, held: b, values: bias.values },
      ]);
    }
  });

  // Whole vectors, and words of a mask, reach behind the end of a row: there are the next token and the next row.
  claim("touch no other token's numbers, nor another row's, whatever they are", async ({ backend, hold, keep }) => {
    const tokens = backend.name === "webgpu" ? 4 : 2;
    for (const [kind, rows, cols, what] of cases(301)) {
      if (kind.group) continue;
      const data = packed(17, rows, cols, kind, "small"), own = draw(10, 1, cols, "F32", INTEGERS);
      const x = matrix(tokens, cols, "F32", [...own.values, ...Array<number>((tokens - 1) * cols).fill(Infinity)]);
      const bias = draw(12, 1, rows, expandedDtype(kind), INTEGERS);
      const [bytes] = await backend.read(keep(backend.linear(hold(x), put(backend, keep, data), hold(bias))));
      const found = [...new Float32Array(bytes.buffer, 0, rows)];
      assertEquals(found, Array.from(product(own, data, bias).values, (value) => value + 0), what);
    }
  });

  claim("of more rows than one dispatch takes are multiplied whole", async ({ backend, hold, keep, long }) => {
    if (long < LONG) return; // its bindings hold no row of so many numbers
    const expected: Expected[] = [], rows = 65_544;
    for (const pattern of ["dense", "bitmask"] as const) {
      const data = packed(18, rows, 8, { valueType: "F16", pattern }, "small");
      const x = draw(13, 1, 8, "F32", INTEGERS), bias = draw(14, 1, rows, "F16", INTEGERS);
      const held = keep(backend.linear(hold(x), put(backend, keep, data), hold(bias)));
      expected.push({ what: patternName(pattern), held, values: product(x, data, bias).values });
    }
    await assertHeld(backend, expected);
  });

  claim("of floats give the bits of the dense weight, on WASM", async ({ backend, hold, keep }) => {
    if (backend.name !== "wasm") return;
    for (const tokens of [1, 2, 7, 40]) {
      for (const valueType of FLOATS) {
        const data = packed(15, 37, 301, { valueType, pattern: "bitmask" }, "any"), weight = put(backend, keep, data);
        const x = hold(draw(9, tokens, 301, "F32", NORMAL));
        const [found, want] = await backend.read(
          keep(backend.linear(x, weight)),
          keep(backend.linear(x, keep(backend.expand(weight)))),
        );
        assertSameBytes(found, want, `${tokens} tokens, ${valueType}`);
      }
    }
  });

  claim("are refused where a part has another length, or the shape is none", ({ backend }) => {
    const good = packed(16, 9, 64, { valueType: "I8", pattern: { n: 2, m: 4 }, group: 32 }, "any");
    const wrong: Record<string, Partial<PackedData>> = {
      "values": { values: good.values.subarray(1) },
      "mask": { mask: undefined },
      "offsets": { offsets: new Uint8Array(36) },
      "scales": { scales: good.scales!.subarray(2) },
      "rows": { rows: 0 },
      "columns": { cols: 65 },
      "n": { pattern: { n: 5, m: 4 } },
      "m": { pattern: { n: 2, m: 5 } },
      "no group": { group: undefined },
      "group": { group: 33 },
      "large group": { group: 2048 },
      "group of floats": { valueType: "F16" },
    };
    for (const [what, part] of Object.entries(wrong)) {
      assertThrows(() => backend.uploadPacked({ ...good, ...part }), RangeError, "expected", what);
    }
    const weight = backend.uploadPacked(good), x = backend.allocate(1, 63);
    assertThrows(() => backend.linear(x, weight), RangeError, "expected 64, found 63");
    for (const one of [x, weight, weight]) one[Symbol.dispose]();
    if (backend.name !== "reference") assertThrows(() => backend.expand(weight), RangeError, "disposed");
    return Promise.resolve();
  });
});

/** Of each row the scales of all its columns, added up. */
function scaleSums({ rows, cols, group, ...data }: PackedData): Float64Array {
  if (!group) return new Float64Array(rows);
  const all = packByHand(rows, cols, { valueType: "I8", pattern: "dense", group }, () => 1, () => true);
  const weight = expandByHand({ ...all, scales: data.scales });
  return Float64Array.from({ length: rows }, (_, row) => {
    return weight.subarray(row * cols, (row + 1) * cols).reduce((sum, value) => sum + Math.abs(value), 0);
  });
}
