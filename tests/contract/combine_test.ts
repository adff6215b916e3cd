/** Claims about `combine`, and about `equilibrate` and `assign`, which go before and after it. */
import { assertEquals, assertLess } from "@std/assert";
import { BYTES } from "../../src/backend/backend.ts";
import { gamma, underflow } from "./bounds.ts";
import { assertHeld, assertSameBytes, contract } from "./contract.ts";
import { decode, draw, DTYPES, edge, encode, matrix, NORMAL, SPREAD, UNIFORM } from "./matrices.ts";
import { mix } from "./mix.ts";

const shapes = (long: number) => [[1, 1], [3, 33], [33, 65], [2, long]] as const;
/** For kept and removed: what solvers ask for, and numbers that no other term has. */
const COEFFICIENTS = [[1, 0], [0.5, -1.25], [-1, 3]] as const;

contract("combine", (claim) => {
  claim(
    "sums one to three matrices of any dtype, each by its coefficient for what is kept or removed",
    async (stage) => {
      const { backend, hold, keep, long } = stage;
      for (const [rows, cols] of shapes(long)) {
        const matrices = DTYPES.map((dtype, at) => draw(at + 1, rows, cols, dtype, NORMAL));
        const scale = draw(7, 1, cols, "F32", NORMAL),
          zeros = draw(8, rows, cols, "F32", (random) => Number(random() < 0.5));
        const mask = keep(backend.zeros(hold(zeros))), columns = hold(scale);
        const expected = matrices.flatMap((_, last) =>
          [{}, { mask }, { columns }, { mask, columns }].map((options) => {
            const chosen = matrices.slice(0, last + 1);
            const terms = chosen.map((one, at) => ({ one, kept: COEFFICIENTS[at][0], removed: COEFFICIENTS[at][1] }));
            const parts = Array.from(zeros.values, (bit, at) => {
              const gone = "mask" in options && bit === 0, by = "columns" in options ? scale.values[at % cols] : 1;
              return terms.map(({ one, kept, removed }) => (gone ? removed : kept) * one.values[at] * by);
            });
            return {
              what: `${rows} x ${cols}, ${terms.length} terms, ${Object.keys(options)}`,
              held: keep(
                backend.combine(terms.map(({ one, kept, removed }) => ({ tensor: hold(one), kept, removed })), options),
              ),
              values: parts.map((part) => part.reduce((a, b) => a + b)),
              // A product of each term, as many sums less one, and the column's product.
              bounds: parts.map((part) =>
                gamma(part.length + 2) * part.reduce((a, b) => a + Math.abs(b), 0) + 4 * underflow(backend)
              ),
            };
          })
        );
        await assertHeld(backend, expected);
      }
    },
  );

  claim("takes one coefficient for both unless told otherwise", async ({ backend, hold, keep }) => {
    const one = draw(1, 5, 37, "F32", NORMAL), half = draw(2, 5, 37, "F32", (random) => Number(random() < 0.5));
    const mask = keep(backend.zeros(hold(half)));
    const held = keep(backend.combine([{ tensor: hold(one), kept: -2 }], { mask }));
    await assertHeld(backend, [{ what: "twice", held, values: one.values.map((value) => -2 * value) }]);
  });
});

contract("combineInto", (claim) => {
  claim("is combine in place of the first term, to the bit", async ({ backend, hold, keep, long }) => {
    for (const [rows, cols] of shapes(long)) {
      const matrices = DTYPES.map((dtype, at) => draw(at + 1, rows, cols, dtype, NORMAL));
      const mask = keep(backend.zeros(hold(draw(8, rows, cols, "F32", (random) => Number(random() < 0.5)))));
      const columns = hold(draw(7, 1, cols, "F32", NORMAL));
      for (const [last, options] of [[0, { columns }], [1, { mask }], [2, { mask, columns }]] as const) {
        const terms = () =>
          matrices.slice(0, last + 1).map((one, at) => ({
            tensor: hold(one),
            kept: COEFFICIENTS[at][0],
            removed: COEFFICIENTS[at][1],
            unscaled: at === 1,
          }));
        const into = terms(), expected = keep(backend.combine(terms(), options));
        backend.combineInto(into, options);
        const [found, want] = await backend.read(into[0].tensor, expected);
        assertSameBytes(found, want, `${rows} x ${cols}, ${last + 1} terms`);
      }
    }
  });

  claim("leaves columns out of account where a term is unscaled", async ({ backend, hold, keep }) => {
    const [one, other] = [draw(1, 5, 37, "F32", NORMAL), draw(2, 5, 37, "F16", NORMAL)];
    const scale = draw(3, 1, 37, "F32", NORMAL), columns = hold(scale);
    const expected = [[true, false], [false, true]].map((unscaled) => {
      const terms = [one, other].map((each, at) => ({ tensor: hold(each), kept: 1, unscaled: unscaled[at] }));
      const parts = Array.from(
        one.values,
        (_, at) => [one, other].map((each, term) => each.values[at] * (unscaled[term] ? 1 : scale.values[at % 37])),
      );
      return {
        what: `${unscaled}`,
        held: keep(backend.combine(terms, { columns })),
        values: parts.map(([a, b]) => a + b),
        // A column's product of each term, and the sum.
        bounds: parts.map(([a, b]) => gamma(3) * (Math.abs(a) + Math.abs(b)) + 4 * underflow(backend)),
      };
    });
    await assertHeld(backend, expected);
  });
});

contract("maskRows", (claim) => {
  claim("has the bits of its rows, and none besides", async ({ backend, hold, keep, long }) => {
    for (const cols of [1, 33, 64, long]) {
      const mask = keep(backend.zeros(hold(draw(cols, 7, cols, "F32", (random) => Number(random() < 0.5)))));
      const [whole] = await backend.read(mask), rowBytes = whole.length / 7;
      for (const [first, rows] of [[0, 7], [0, 1], [2, 4], [6, 1]]) {
        const [part] = await backend.read(keep(backend.maskRows(mask, first, rows)));
        assertSameBytes(part, whole.subarray(first * rowBytes, (first + rows) * rowBytes), `${first}, ${rows}`);
      }
    }
  });
});

contract("equilibrate", (claim) => {
  claim("scales rows and columns alike, with ones on the diagonal", async ({ backend, hold, keep, long }) => {
    const expected = [1, 33, 130, Math.min(long, 200)].map((n) => {
      const half = draw(n, n, n, "F32", NORMAL), scale = draw(n + 1, 1, n, "F32", (random) => 0.01 + 100 * random());
      const a = matrix(
        n,
        n,
        "F32",
        half.values.map((value, at) => value + half.values[at % n * n + Math.floor(at / n)]),
      );
      const values = a.values.map((value, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        return i === j ? 1 : scale.values[i] * value * scale.values[j];
      });
      const bounds = values.map((value, at) => at % (n + 1) ? gamma(2) * Math.abs(value) + underflow(backend) : 0);
      return { what: `${n}`, held: keep(backend.equilibrate(hold(a), hold(scale))), values, bounds };
    });
    await assertHeld(backend, expected);
    for (const { held: one } of expected) {
      const turned = new Float32Array((await backend.read(one))[0].buffer);
      const n = one.cols, mirrored = turned.map((_, at) => turned[at % n * n + Math.floor(at / n)]);
      assertSameBytes(new Uint8Array(mirrored.buffer), new Uint8Array(turned.buffer), "a matrix that stays symmetric");
    }
  });
});

contract("assign", (claim) => {
  claim("rounds numbers to the weight's dtype, to nearest, ties to even", async ({ backend, hold, long }) => {
    for (const [rows, cols] of shapes(long)) {
      for (const dtype of ["F32", "F16"] as const) {
        const numbers = draw(rows, rows, cols, "F32", SPREAD), weight = hold(draw(1, rows, cols, dtype, UNIFORM));
        backend.assign(weight, hold(numbers));
        // The engine's own conversion is to nearest, ties to even.
        assertSameBytes((await backend.read(weight))[0], encode(numbers.values, dtype), `${rows} x ${cols} ${dtype}`);
      }
    }
  });

  claim("keeps what the dtype can say as it is, every edge too", async ({ backend, hold }) => {
    for (const dtype of DTYPES) {
      const numbers = draw(3, 7, 33, dtype, edge(dtype)), weight = hold(draw(1, 7, 33, dtype, UNIFORM));
      backend.assign(weight, hold(matrix(7, 33, "F32", numbers.values)));
      assertSameBytes((await backend.read(weight))[0], numbers.bytes, `${dtype}, ${BYTES[dtype]} bytes a number`);
    }
  });

  claim("rounds to BF16 within half a unit", async ({ backend, hold }) => {
    const numbers = draw(5, 9, 65, "F32", SPREAD), weight = hold(draw(1, 9, 65, "BF16", UNIFORM));
    backend.assign(weight, hold(numbers));
    const bounds = numbers.values.map((value) => 2 ** -8 * Math.abs(value)); // 8 significant bits
    await assertHeld(backend, [{ what: "BF16", held: weight, values: numbers.values, bounds }]);
  });

  claim("rounds to BF16 by a key as the hash of key and place says, to the bit", async ({ backend, hold, long }) => {
    for (const [rows, cols] of shapes(long)) {
      for (const key of [0, 12345, 2 ** 32 - 1]) {
        const numbers = draw(rows, rows, cols, "F32", SPREAD), weight = hold(draw(1, rows, cols, "BF16", UNIFORM));
        backend.assign(weight, hold(numbers), { key });
        const bits = new Uint32Array(Float32Array.from(numbers.values).buffer);
        const rounded = Uint16Array.from(bits, (of, at) => (of + mix((mix(at) ^ key) >>> 0) % 2 ** 16) / 2 ** 16);
        assertSameBytes((await backend.read(weight))[0], new Uint8Array(rounded.buffer), `${rows} x ${cols} by ${key}`);
      }
    }
  });

  claim("rounds up by a key as often as a number is near, and keeps what BF16 has", async ({ backend, hold }) => {
    // An eighth, three eighths and no part of the way from one number of BF16 to the next, and one that is no number.
    const values = [1 + 2 ** -10, -(1 + 3 * 2 ** -10), 1.5, Infinity, 0, NaN], rows = 4096, cols = values.length;
    const numbers = matrix(rows, cols, "F32", Float64Array.from({ length: rows * cols }, (_, at) => values[at % cols]));
    const weight = hold(matrix(rows, cols, "BF16", new Float64Array(rows * cols)));
    backend.assign(weight, hold(numbers), { key: 3 });
    const found = decode((await backend.read(weight))[0], "BF16");
    for (const [col, [share, low, high]] of [[0, [1 / 8, 1, 1 + 2 ** -7]], [1, [3 / 8, -1, -(1 + 2 ** -7)]]] as const) {
      const own = found.filter((_, at) => at % cols === col), up = own.filter((value) => value === high).length;
      assertEquals(own.filter((value) => value === low).length, rows - up);
      // Five standard deviations of independent draws.
      assertLess(Math.abs(up - rows * share), 5 * Math.sqrt(rows * share * (1 - share)));
    }
    for (let at = 0; at < found.length; at++) if (at % cols > 1) assertEquals(found[at], values[at % cols]);
  });
});
