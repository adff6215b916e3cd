/**
 * One token times a weight that no cache holds, in every form that a weight can have: what bounds it is how fast memory gives the
 * weight, so the stream rate of the machine is measured in turn with them, by as many threads.
 */
import { type Backend, openBackend, type PackedValues, packMatrix, type Weight } from "../../src/mod.ts";
import type { Bench } from "./part.ts";
import { figure, interleave, over, type Ratio, type Side } from "./ratio.ts";
import { openStream } from "./stream_rate.ts";

/** A linear of LLaMA-7B; so many copies as are read in a round, beyond any last-level cache. */
const ROWS = 4096, COLS = 4096, COPIES = 6, FEW_COPIES = 2;
const ROUNDS = 15, FEW_ROUNDS = 3;

const INT8 = { valueType: "I8", group: 128 } as const, INT4 = { valueType: "I4", group: 32 } as const;

/** Which weights there are: their zeros, their values, what is asked of them against the dense weight of these values. */
const KINDS: readonly {
  name: string;
  zeros: string;
  values?: PackedValues;
  dense?: string;
  least?: number;
  most: number;
}[] = [
  { name: "f16 dense", zeros: "none", most: 1 },
  { name: "int8 dense", zeros: "none", values: INT8, most: 0.52 },
  { name: "int4 dense", zeros: "none", values: INT4, most: 0.29 },
  { name: "f16 50 %", zeros: "0.5", values: "kept", dense: "f16 dense", least: 1.3, most: 0.58 },
  { name: "f16 70 %", zeros: "0.7", values: "kept", dense: "f16 dense", least: 1.8, most: 0.39 },
  { name: "f16 2:4", zeros: "2:4", values: "kept", dense: "f16 dense", least: 1.5, most: 0.58 },
  { name: "f16 8:16", zeros: "8:16", values: "kept", dense: "f16 dense", least: 1.3, most: 0.58 },
  { name: "int8 2:4", zeros: "2:4", values: INT8, dense: "int8 dense", least: 1.45, most: 0.38 },
  { name: "int8 8:16", zeros: "8:16", values: INT8, dense: "int8 dense", most: 0.38 },
  { name: "int8 50 %", zeros: "0.5", values: INT8, dense: "int8 dense", most: 0.38 },
  { name: "int4 50 %", zeros: "0.5", values: INT4, dense: "int4 dense", most: 0.3 },
];

/** What the dense weight is to reach of the stream. */
const STREAM_SHARE = 0.75;

/** A matrix in F16 whose zeros are drawn. */
function draw(zeros: string): Uint8Array<ArrayBuffer> {
  const numbers = new Float16Array(ROWS * COLS), [n, m] = zeros.split(":").map(Number);
  let state = 1;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    return ((state ^= state << 5) >>> 0) / 2 ** 32;
  };
  let kept = new Set<number>();
  for (let i = 0; i < numbers.length; i++) {
    if (m && i % m === 0) { for (kept = new Set(); kept.size < n;) kept.add(Math.floor(random() * m)); }
    const keep = m ? kept.has(i % m) : zeros === "none" || random() >= Number(zeros);
    if (keep) numbers[i] = random() - 0.5 || 0.25;
  }
  return new Uint8Array(numbers.buffer);
}

/** A kind of weight on a backend, read in a round as often as there are copies. */
function openKind(
  backend: Backend,
  { name, zeros, values }: typeof KINDS[number],
  copies: number,
  scope: DisposableStack,
) {
  const bytes = draw(zeros), packed = values && packMatrix({ bytes, rows: ROWS, cols: COLS, dtype: "F16" }, values)!;
  const weights = Array.from(
    { length: copies },
    (): Weight => scope.use(packed ? backend.uploadPacked(packed) : backend.upload(bytes, ROWS, COLS, "F16")),
  );
  const x = scope.use(backend.upload(new Uint8Array(new Float32Array(COLS).fill(0.5).buffer), 1, COLS, "F32"));
  const side: Side = {
    label: name,
    unit: "G weights/s",
    async sample() {
      await backend.read();
      const begin = performance.now();
      for (const weight of weights) backend.linear(x, weight)[Symbol.dispose]();
      await backend.read();
      return copies * ROWS * COLS / (performance.now() - begin) / 1e6;
    },
  };
  const [first] = weights;
  return { side, bytes: "bytes" in first ? first.bytes : bytes.length };
}

/** See the file's head. */
export async function benchWeights({ quick, note }: Bench): Promise<Ratio[]> {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await openBackend("wasm")), scope = stack.use(new DisposableStack());
  const kinds = KINDS.map((kind) => {
    note(`weights: ${kind.name}`);
    return { ...kind, ...openKind(backend, kind, quick ? FEW_COPIES : COPIES, scope) };
  });
  const stream = stack.use(await openStream(navigator.hardwareConcurrency));
  const [streamed, ...figures] = await interleave(quick ? FEW_ROUNDS : ROUNDS, [
    stream,
    ...kinds.map(({ side }) => side),
  ]);
  const ofName = (name: string) => figures[kinds.findIndex((kind) => kind.name === name)], size = ROWS * COLS;
  const ratios = kinds.map(({ name, bytes }, i) => {
    const { median, min, max, n } = figures[i], each = bytes / size;
    const rate = { label: name, unit: "GB/s", median: median * each, min: min * each, max: max * each, n };
    return over(
      `${name}: bytes a second / stream`,
      rate,
      streamed,
      name === "f16 dense" ? { least: STREAM_SHARE } : undefined,
    );
  });
  for (const { name, dense, least } of kinds) {
    if (dense) ratios.push(over(`${name} / ${dense}`, ofName(name), ofName(dense), least ? { least } : undefined));
  }
  for (const { name, bytes, most } of kinds) {
    const [own, all] = [bytes, 2 * size].map((value, i) => figure(i ? "f16 dense" : name, "MB", [value / 1e6]));
    ratios.push(over(`${name}: memory / f16 dense`, own, all, { most }));
  }
  return ratios;
}
