/** Packed matrices and the files that hold them: what is packed is expanded again to the bit, and nothing that lies is read. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Dtype, type PackedData, patternName } from "../../src/backend/backend.ts";
import type { Shard } from "../../src/checkpoint/assemble.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { openPacked } from "../../src/checkpoint/packed/open.ts";
import { packedSize, type PackedValues, packMatrix } from "../../src/checkpoint/packed/pack.ts";
import { planPacking } from "../../src/checkpoint/packed/write.ts";
import { readSafetensors } from "../../src/checkpoint/safetensors.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { damage, fuzz } from "../fuzz/mutations.ts";
import { fc } from "../fuzz/seed.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";
import { expandByHand } from "../reference/packed.ts";
import { copyDirectory, FIXTURES, snapshot, temporary } from "./folders.ts";
import { memory, safetensorsFile } from "./safetensors_file.ts";

/** A matrix of a dtype: its zeros by a pattern, a share, whole rows, or a mixture; its numbers any, -0 too. */
const matrices = fc.record({
  dtype: fc.constantFrom<Dtype>("F32", "F16", "BF16"),
  rows: fc.integer({ min: 1, max: 19 }),
  cols: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(32, 64, 256, 288, 515)),
  zeros: fc.constantFrom("none", "all", "half", "most", "rows", "2:4", "1:4", "4:8", "5:16", "negative"),
  seed: fc.nat(),
}).map(({ dtype, rows, cols, zeros, seed }) => {
  let state = seed >>> 0 || 1;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    return ((state ^= state << 5) >>> 0) / 2 ** 32;
  };
  const [, n, m] = /^(\d+):(\d+)$/.exec(zeros)?.map(Number) ?? [];
  const keep = (row: number, col: number) => {
    if (m) return (row * 3 + col) % m < n && col + m - col % m <= cols;
    const share = { none: 1, all: 0, half: 0.5, most: 0.05, rows: row % 3 ? 1 : 0, negative: 0.5 }[zeros as "half"];
    return random() < share;
  };
  const numbers = Float32Array.from(
    { length: rows * cols },
    (_, i) =>
      keep(Math.floor(i / cols), i % cols) ? random() * 8 - 4 || 1 : zeros === "negative" && random() < 0.1 ? -0 : 0,
  );
  return { dtype, rows, cols, zeros, bytes: fromFloats(numbers, dtype) };
});

/** What a packed matrix stands for, in the dtype of its values. */
const expanded = (data: PackedData, dtype: Dtype) => fromFloats(expandByHand(data), dtype);

Deno.test("what is packed as it is expands to the same bytes, and says before how large it is", () => {
  fc.assert(fc.property(matrices, (matrix) => {
    const data = packMatrix(matrix, "kept"), size = packedSize(matrix, "kept");
    assertEquals(data === undefined, size === undefined);
    if (!data || !size) return;
    assertEquals(data.values.length, size.valueBytes);
    assertEquals([data.pattern, data.valueType], [size.pattern, matrix.dtype]);
    assertEquals(expanded(data, matrix.dtype), matrix.bytes);
  }));
});

Deno.test("integers are within half a step of their numbers, and a step is no larger than it must be", () => {
  const kinds = fc.constantFrom<PackedValues & object>(
    { valueType: "I8", group: 128 },
    { valueType: "I8", group: 32 },
    { valueType: "I4", group: 32 },
    { valueType: "I4", group: 64 },
  );
  fc.assert(fc.property(matrices, kinds, (matrix, values) => {
    const data = packMatrix(matrix, values)!, exact = toFloats(matrix.bytes, matrix.dtype), found = expandByHand(data);
    const { rows, cols } = matrix, { group } = values, scales = toFloats(data.scales!, "BF16");
    for (let row = 0; row < rows; row++) {
      for (let begin = 0; begin < cols; begin += group) {
        const own = exact.subarray(row * cols + begin, row * cols + Math.min(cols, begin + group));
        const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const scale = scales[row * Math.ceil(cols / group) + begin / group], most = values.valueType === "I8" ? 127 : 7;
        // Up to the next BF16, which has 8 bits.
        assert(
          scale * most >= largest * (1 - 2 ** -22) && scale * most <= largest * (1 + 2 ** -7),
          `${scale} of ${largest}`,
        );
        own.forEach((value, i) => {
          const error = Math.abs(found[row * cols + begin + i] - value);
          assert(error <= scale / 2 * (1 + 2 ** -20), `${value} is off by ${error}, a step is ${scale}`);
        });
      }
    }
  }));
});

Deno.test("zeros are told by the pattern that they follow, where that takes the fewest bytes", () => {
  const of = (cols: number, keep: (col: number) => boolean, values: PackedValues = "kept") => {
    const numbers = Float32Array.from({ length: 16 * cols }, (_, i) => keep(i % cols) ? 1 : 0);
    const data = packMatrix({ bytes: fromFloats(numbers, "F16"), rows: 16, cols, dtype: "F16" }, values);
    return data && patternName(data.pattern);
  };
  assertEquals(of(64, (col) => col % 4 < 2), "2:4");
  assertEquals(of(64, (col) => col % 8 < 4), "4:8");
  assertEquals(of(64, (col) => col % 16 < 8), "8:16");
  assertEquals(of(64, (col) => col % 32 < 10), "10:32");
  assertEquals(of(66, (col) => col % 4 < 2), "bitmask", "no whole groups");
  assertEquals(of(64, (col) => col < 20), "bitmask");
  assertEquals(of(64, () => true), undefined);
  assertEquals(of(64, (col) => col > 1), undefined, "a mask would take more than it saves");
  assertEquals(of(64, () => true, { valueType: "I4", group: 32 }), "dense");
  assertEquals(of(64, (col) => col % 4 < 3, { valueType: "I4", group: 32 }), "dense");
  assertEquals(of(64, (col) => col % 4 < 2, { valueType: "I4", group: 32 }), "2:4");
});

/** A model of which every second number of a linear is zero, or two of four. */
async function pruned(folder: string): Promise<string> {
  const path = `${folder}/pruned`;
  copyDirectory(`${FIXTURES}/Austen-700K`, path);
  const file = `${path}/model.safetensors`, bytes = Deno.readFileSync(file);
  for (const { name, offset, bytes: length } of (await readSafetensors(memory(bytes))).entries.values()) {
    if (!/proj.weight$/.test(name)) continue;
    const words = new Uint16Array(bytes.buffer, offset, length / 2), half = name.includes("up_proj");
    words.forEach((word, i) => words[i] = (half ? word & 1 : i % 4 < 2) ? 0 : word);
  }
  Deno.writeFileSync(file, bytes);
  return path;
}

const linear = (name: string): PackedValues | undefined => /proj.weight$/.test(name) ? "kept" : undefined;

/** Writes a model packed. */
async function packTo(from: string, to: string, choose = linear, transposed?: ReadonlySet<string>): Promise<void> {
  await using checkpoint = await openDirectory(from);
  const plan = await planPacking(checkpoint, { choose, transposed });
  await using writer = await createWriter(plan.checkpoint, to);
  await plan.write(writer);
  await writer.finish();
}

Deno.test("a packed model is read as the dense one: all, by rows, by pieces; copied, it is that one byte for byte", async () => {
  using folder = temporary();
  const from = await pruned(folder.path), to = `${folder.path}/packed`, back = `${folder.path}/back`;
  await packTo(from, to);
  const sizes = [from, to].map((path) => Deno.statSync(`${path}/model.safetensors`).size);
  assert(sizes[1] < 0.66 * sizes[0], `${sizes}`);
  await using dense = await openDirectory(from);
  await using packed = await openDirectory(to);
  assertEquals([...packed.tensors], [...dense.tensors]);
  assertEquals(packed.headers, dense.headers);
  assertEquals(
    new Set([...packed.packed!.values()].map(({ packed }) => patternName(packed.pattern))),
    new Set(["2:4", "bitmask"]),
  );
  const names = [...dense.tensors.keys()];
  assertEquals(await packed.read(names), await dense.read(names));
  for (const [name, { shape: [rows, cols] }] of dense.tensors) {
    if (!cols) continue;
    for (const [first, count] of [[0, 1], [rows - 1, 1], [3, 10], [8, 8], [0, rows]]) {
      assertEquals(
        await packed.readRows(name, first, count),
        await dense.readRows(name, first, count),
        `${name} ${first}`,
      );
    }
    const pieces = (held: typeof dense) => Array.fromAsync(held.stream(name));
    assertEquals(await pieces(packed), await pieces(dense));
  }
  await using writer = await createWriter(packed, back);
  await writer.finish();
  assertEquals(snapshot(back), snapshot(from));
});

Deno.test("values begin at multiples of 16 bytes, and a packed matrix can be had as it is", async () => {
  using folder = temporary();
  const from = await pruned(folder.path), to = `${folder.path}/packed`;
  await packTo(from, to, (name) => linear(name) && { valueType: "I8", group: 32 });
  const { entries } = await readSafetensors(memory(Deno.readFileSync(`${to}/model.safetensors`)));
  for (const { name, offset } of entries.values()) if (name.endsWith(".values")) assertEquals(offset % 16, 0, name);
  await using dense = await openDirectory(from);
  await using packed = await openDirectory(to);
  for (const [name, held] of packed.packed!) {
    const { shape: [rows, cols], dtype } = dense.tensors.get(name)!, bytes = (await dense.read([name])).get(name)!;
    const data = await held.readPacked();
    assertEquals(data, packMatrix({ bytes, rows, cols, dtype }, { valueType: "I8", group: 32 }));
    assertEquals(packed.tensors.get(name)!.dtype, "F32");
    assertEquals((await packed.read([name])).get(name)!, new Uint8Array(expandByHand(data).buffer));
  }
});

/** GPT-2's linears, which its files hold as inputs x outputs, of every four inputs two zero. */
async function conv1d(folder: string): Promise<{ path: string; names: Set<string> }> {
  const path = `${folder}/gpt2`, names = new Set<string>();
  copyDirectory(`${FIXTURES}/tiny-gpt2`, path);
  const file = `${path}/model.safetensors`, bytes = Deno.readFileSync(file);
  for (const { name, offset, shape } of (await readSafetensors(memory(bytes))).entries.values()) {
    if (!/c_(attn|proj|fc).weight$/.test(name)) continue;
    const [inputs, outputs] = shape, view = new DataView(bytes.buffer, offset);
    for (let i = 0; i < inputs * outputs; i++) if (Math.floor(i / outputs) % 4 < 2) view.setUint32(4 * i, 0);
    names.add(name);
  }
  Deno.writeFileSync(file, bytes);
  return { path, names };
}

Deno.test("a matrix that a file holds as inputs x outputs is packed by outputs, and read as the file has it", async () => {
  using folder = temporary();
  const { path: from, names } = await conv1d(folder.path), to = `${folder.path}/packed`, back = `${folder.path}/back`;
  await packTo(from, to, (name) => names.has(name) ? "kept" : undefined, names);
  await using dense = await openDirectory(from);
  await using packed = await openDirectory(to);
  assertEquals([...packed.tensors], [...dense.tensors]);
  assertEquals(packed.packed!.size, 8);
  for (const [name, { packed: { rows, cols, pattern } }] of packed.packed!) {
    assertEquals([cols, rows, patternName(pattern)], [...dense.tensors.get(name)!.shape, "2:4"], name);
    for (const [first, count] of [[0, 1], [cols - 1, 1], [3, 10], [0, cols]]) {
      assertEquals(await packed.readRows(name, first, count), await dense.readRows(name, first, count), name);
    }
    const pieces = (held: typeof dense) => Array.fromAsync(held.stream(name));
    assertEquals(await pieces(packed), await pieces(dense));
  }
  await using writer = await createWriter(packed, back);
  await writer.finish();
  assertEquals(snapshot(back), snapshot(from));
});

/** A matrix of inputs x outputs, rounded in f64 for every group of an output's inputs: integers times a BF16, as a dense file. */
function roundedByHand(numbers: Float32Array, [inputs, outputs]: readonly number[], most: number, group: number) {
  const rounded = new Float32Array(numbers.length);
  for (let output = 0; output < outputs; output++) {
    for (let begin = 0; begin < inputs; begin += group) {
      const at = Array.from({ length: Math.min(group, inputs - begin) }, (_, i) => (begin + i) * outputs + output);
      const needed = Math.max(...at.map((i) => Math.abs(numbers[i]))) / most;
      // The next BF16: eight bits from the leading one on.
      const unit = 2 ** (Math.floor(Math.log2(needed)) - 7), step = needed ? Math.ceil(needed / unit) * unit : 1;
      for (const i of at) rounded[i] = Math.round(numbers[i] / step) * step;
    }
  }
  return rounded;
}

Deno.test("integers of such a matrix share scales along the inputs of an output; the dense file has what f64 rounds to", async () => {
  using folder = temporary();
  const { path: from, names } = await conv1d(folder.path);
  await using dense = await openDirectory(from);
  for (const [valueType, group, most] of [["I8", 32, 127], ["I4", 32, 7]] as const) {
    const to = `${folder.path}/${valueType}`;
    await packTo(from, to, (name) => names.has(name) ? { valueType, group } : undefined, names);
    await using packed = await openDirectory(to);
    for (const name of names) {
      const [numbers, found] = await Promise.all(
        [dense, packed].map(async (held) => new Float32Array((await held.read([name])).get(name)!.slice().buffer)),
      );
      // -0 of a number that rounds to nothing is 0.
      const want = roundedByHand(numbers, dense.tensors.get(name)!.shape, most, group).map((value) => value + 0);
      assertEquals(found.map((value) => value + 0), want, `${valueType} ${name}`);
    }
  }
});

/** A small packed file, with a bitmask, a pattern, integers and a vector that is as it is. */
async function smallFile(): Promise<Uint8Array<ArrayBuffer>> {
  using folder = temporary();
  const path = `${folder.path}/model`, [rows, cols] = [20, 64];
  const numbers = (keep: (i: number) => boolean) =>
    fromFloats(Float32Array.from({ length: rows * cols }, (_, i) => keep(i) ? i % 13 - 6.5 : 0), "F16");
  const data = [
    numbers((i) => (Math.imul(i, 0x9e3779b1) >>> 16) % 6 === 0),
    numbers((i) => i % 4 < 2),
    numbers(() => true),
    new Uint8Array(64).fill(1),
  ];
  let end = 0;
  const header = Object.fromEntries(["a", "b", "c", "d"].map((name, i) => [name, {
    dtype: "F16",
    shape: i < 3 ? [rows, cols] : [32],
    data_offsets: [end, end += data[i].length],
  }]));
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${path}/config.json`, "{}");
  Deno.writeFileSync(
    `${path}/model.safetensors`,
    safetensorsFile(header, new Uint8Array(data.flatMap((part) => [...part]))),
  );
  await packTo(
    path,
    `${folder.path}/packed`,
    (name) => name === "c" ? { valueType: "I4", group: 32 } : name === "d" ? undefined : "kept",
  );
  return Deno.readFileSync(`${folder.path}/packed/model.safetensors`);
}

/** All that a packed file gives. */
async function readAll(bytes: Uint8Array<ArrayBuffer>): Promise<Shard> {
  const source = memory(bytes), shard = await openPacked(source, await readSafetensors(source));
  for (const held of shard.packed!.values()) await held.readPacked();
  await shard.source.read(0, shard.source.size);
  return shard;
}

const SMALL = await smallFile();

/** The file with some of its header, or of its bytes, changed. */
function changed(
  change: (json: Record<string, Any>, part: (name: string) => Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  const bytes = SMALL.slice(), length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const data = bytes.subarray(8 + length);
  change(json, (name) => data.subarray(...json[name].data_offsets as [number, number]));
  return safetensorsFile(json, data);
}
// deno-lint-ignore no-explicit-any -- a header, to be changed
type Any = any;

Deno.test("a file whose parts contradict each other is refused by name", async () => {
  const words = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);
  const packed = (change: (shapes: Record<string, Any>) => void) => (json: Record<string, Any>) => {
    const shapes = JSON.parse(json.__metadata__.packed);
    change(shapes);
    json.__metadata__.packed = JSON.stringify(shapes);
  };
  const cases: [string, RegExp, Parameters<typeof changed>[0]][] = [
    ["a bit more in a mask", /"a": row \d+: .*by the mask/, (_, part) => part("a.mask")[0] ^= 2],
    ["a bit more in a group", /"b": the mask of row 0 keeps 3 of 4/, (_, part) => part("b.mask")[0] |= 4],
    ["an offset", /"a": row 5: column 0 is said/, (_, part) => words(part("a.offsets")).setUint32(20, 7, true)],
    ["an offset far outside", /"a": row 19/, (_, part) => words(part("a.offsets")).setUint32(76, 2 ** 31, true)],
    ["a scale that is none", /"c": a scale is NaN/, (_, part) => part("c.scales").fill(255, 0, 2)],
    ["a value that is none", /"b": it holds NaN/, (_, part) => part("b.values").fill(255, 0, 2)],
    ["a version", /version "2"/, (json) => json.__metadata__.version = "2"],
    ["no list", /no "packed"/, (json) => delete json.__metadata__.packed],
    ["no dense header", /no "dense"/, (json) => delete json.__metadata__.dense],
    ["another dense header", /in the dense file, F16/, (json) => {
      json.__metadata__.dense = json.__metadata__.dense.replace('"d":{"dtype":"F16"', '"d":{"dtype":"I16"');
    }],
    ["a pattern", /expected a pattern in groups/, packed((shapes) => shapes.b.pattern = "2:5")],
    ["another pattern", /"b": its values take/, packed((shapes) => shapes.b.pattern = "3:4")],
    ["fewer columns", /"b": its (values|mask)/, packed((shapes) => shapes.b.shape = [20, 32])],
    ["too many rows", /"a": its (mask|offsets) are/, packed((shapes) => shapes.a.shape = [2 ** 40, 64])],
    ["another type", /"a": its values are F16/, packed((shapes) => shapes.a.values = "BF16")],
    ["no type", /values/, packed((shapes) => shapes.a.values = "F8")],
    ["no scales", /scales|scale/, packed((shapes) => delete shapes.c.group)],
    ["the other way round", /"b" is F16 \[20, 64\] in the dense file/, packed((shapes) => shapes.b.transposed = true)],
    ["half the other way round", /"b": transposed/, packed((shapes) => shapes.b.transposed = 1)],
    ["one matrix less", /its bytes end at|is not in it/, packed((shapes) => delete shapes.a)],
    ["one matrix more", /its values are missing/, packed((shapes) => shapes.e = shapes.b)],
  ];
  for (const [what, message, change] of cases) {
    const error = await assertRejects(() => readAll(changed(change)), PareError, "", what);
    assert(message.test(error.message), `${what}: ${error.message}`);
  }
  await readAll(changed(() => {}));
});

fuzz("packed files", 300, (random) => readAll(damage(SMALL, random, 1200)));
