/** What the reader of safetensors believes, and what it says of a file that lies. */
import { assertEquals, assertRejects } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { openFile } from "../../src/checkpoint/file.ts";
import { readSafetensors, safetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import { PareError } from "../../src/errors.ts";
import { FIXTURES } from "./folders.ts";
import { memory, safetensorsFile } from "./safetensors_file.ts";

const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

Deno.test("every dtype of the format is read, with the bytes of its range", async () => {
  const file = safetensorsFile(
    {
      __metadata__: { format: "pt" },
      b: entry("I32", [2], 4, 12),
      a: entry("F8_E4M3", [2, 2], 0, 4),
      none: entry("F64", [0, 9], 12, 12),
    },
    Uint8Array.from({ length: 12 }, (_, i) => i),
  );
  const { entries, header, read } = await readSafetensors(memory(file));
  assertEquals([...entries.keys()], ["a", "b", "none"]);
  assertEquals(await read("b"), Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11));
  assertEquals(await read("none"), new Uint8Array());
  assertEquals(header, file.slice(0, file.length - 12));
  await assertRejects(() => read("c"), PareError, `f has no tensor "c"`);
});

Deno.test("a file that lies is refused in one line, naming file and tensor", async () => {
  const claim = (length: bigint, size: number) => {
    const bytes = new Uint8Array(size);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  const cases: [file: Uint8Array<ArrayBuffer>, message: string][] = [
    [new Uint8Array(7), "f is not a safetensors file: it has 7 bytes"],
    [claim(2n ** 31n, 100), "f: its header claims 2147483648 bytes; at most 100000000 are read"],
    [claim(2n ** 64n - 1n, 100), "f: its header claims 18446744073709551615 bytes; at most 100000000 are read"],
    [claim(93n, 100), "f: truncated: its header claims 93 bytes, the file has 100 in all"],
    [safetensorsFile("", 0), "the header of f is not JSON: Unexpected end of JSON input"],
    [safetensorsFile("[]", 0), "the header of f: a JSON object was expected, found an array"],
    [safetensorsFile("null", 0), "the header of f: a JSON object was expected, found null"],
    [safetensorsFile(`{"a":`, 0), "the header of f is not JSON: Unexpected end of JSON input"],
    [
      safetensorsFile(`{"a":"${"["}`, 0),
      "the header of f is not JSON: Unterminated string in JSON at position 7 (line 1 column 8)",
    ],
    [safetensorsFile("[".repeat(5000), 0), "f: its header is nested deeper than a header is"],
    [Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x28), "the header of f is not UTF-8 text"],
    [
      safetensorsFile(
        `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061" : {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`,
        1,
      ),
      `f: tensor "a" stands in the header twice`,
    ],
    [
      safetensorsFile({ __metadata__: { a: 1 } }, 0),
      "f: __metadata__: a: Invalid input: expected string, received number",
    ],
    [safetensorsFile({ a: 1 }, 0), `f: tensor "a": Invalid input: expected object, received number`],
    [
      safetensorsFile({ a: { dtype: "F32", shape: [1] } }, 4),
      `f: tensor "a": data_offsets: Invalid input: expected tuple, received undefined`,
    ],
    [
      safetensorsFile({ a: entry("F32", [-1], 0, 4) }, 4),
      `f: tensor "a": shape.0: Too small: expected number to be >=0`,
    ],
    [
      safetensorsFile({ a: entry("F32", [1.5], 0, 6) }, 6),
      `f: tensor "a": shape.0: Invalid input: expected int, received number`,
    ],
    [
      safetensorsFile({ a: entry("F32", [1], 0, 1e300) }, 4),
      `f: tensor "a": data_offsets.1: Too big: expected int to be <=9007199254740991`,
    ],
    [safetensorsFile({ a: entry("F33", [1], 0, 4) }, 4), `f: tensor "a": unknown dtype "F33"`],
    [safetensorsFile({ a: entry("toString", [1], 0, 4) }, 4), `f: tensor "a": unknown dtype "toString"`],
    [safetensorsFile({ a: entry("F32", [1], 4, 0) }, 4), `f: tensor "a": its bytes end (0) before they begin (4)`],
    [safetensorsFile({ a: entry("F32", [2], 0, 8) }, 4), `f: tensor "a": its bytes end at 70, the file at 66`],
    [
      safetensorsFile({ a: entry("F32", [3], 0, 8) }, 8),
      `f: tensor "a": F32 of shape [3] takes 12 bytes, its range has 8`,
    ],
    [
      safetensorsFile({ a: entry("F4", [3], 0, 1) }, 1),
      `f: tensor "a": F4 of shape [3] takes 1.5 bytes, its range has 1`,
    ],
    [
      safetensorsFile({ a: entry("U8", [2 ** 53 - 1, 2 ** 53 - 1], 0, 1) }, 1),
      `f: tensor "a": U8 of shape [9007199254740991, 9007199254740991] takes 8.112963841460666e+31 bytes, its range has 1`,
    ],
    [safetensorsFile({ a: entry("U8", [4], 0, 4), b: entry("U8", [3], 3, 6) }, 6), `f: tensors "a" and "b" overlap`],
    [safetensorsFile({ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 0, 4) }, 4), `f: tensors "a" and "b" overlap`],
    [
      safetensorsFile({ a: entry("U8", [1], 0, 1), b: entry("U8", [1], 3, 4) }, 4),
      `f: 2 bytes before tensor "b" belong to none`,
    ],
    [safetensorsFile({ a: entry("U8", [1], 0, 1) }, 4), "f: its last 3 bytes belong to no tensor"],
    [safetensorsFile({ "a\nb": entry("U9", [1], 0, 1) }, 1), `f: tensor "a\\nb": unknown dtype "U9"`],
    [
      safetensorsFile({ ["x".repeat(5000)]: 1 }, 0),
      `f: tensor "${"x".repeat(160)}…": Invalid input: expected object, received number`,
    ],
  ];
  for (const [file, message] of cases) {
    const error = await assertRejects(() => readSafetensors(memory(file)), PareError);
    assertEquals(error.message, message);
  }
});

Deno.test("a name that JavaScript knows is a name like any other", async () => {
  const file = safetensorsFile(
    `{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}`,
    2,
  );
  assertEquals([...(await readSafetensors(memory(file))).entries.keys()], ["__proto__", "constructor"]);
});

Deno.test("a header of a hundred thousand brackets or names costs no more than its bytes", async () => {
  const many = Array.from({ length: 100_000 }, (_, i) => [`t${i}`, entry("U8", [1], i, i + 1)]);
  const { entries } = await readSafetensors(memory(safetensorsFile(Object.fromEntries(many), 100_000)));
  assertEquals(entries.size, 100_000);
});

Deno.test("a sound header is parsed once, not once for every name in it", async () => {
  const many = Array.from({ length: 100 }, (_, i) => [`t${i}`, entry("U8", [1], i, i + 1)]);
  const file = safetensorsFile(Object.fromEntries(many), 100), { parse } = JSON;
  let parsed = 0;
  JSON.parse = (...args) => (parsed++, parse(...args));
  try {
    await readSafetensors(memory(file));
  } finally {
    JSON.parse = parse;
  }
  assertEquals(parsed, 1);
});

Deno.test("whatever the bytes are, the reader answers or complains", async () => {
  const json = fc.json({ maxDepth: 4 }).map((text) => safetensorsFile(text, 16));
  const offset = fc.integer({ min: -1, max: 20 });
  const tensor = fc.record({
    dtype: fc.constantFrom("F32", "F16", "U8", "X"),
    shape: fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 3 }),
    data_offsets: fc.tuple(offset, offset),
  });
  const nearly = fc.dictionary(fc.string({ maxLength: 3 }), tensor, { maxKeys: 4 }).map((each) =>
    safetensorsFile(each, 16)
  );
  const raw = fc.uint8Array({ maxLength: 64 }).map((bytes) => new Uint8Array(bytes));
  await fc.assert(
    fc.asyncProperty(fc.oneof(json, nearly, raw), async (file) => {
      try {
        const { entries } = await readSafetensors(memory(file));
        for (const { offset, bytes } of entries.values()) if (offset + bytes > file.length) return false;
      } catch (error) {
        return error instanceof PareError && !error.message.includes("\n");
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a sound file with one byte changed is read or refused, never worse", async () => {
  const sound = Deno.readFileSync(`${FIXTURES}/tiny-mistral/model-00001-of-00002.safetensors`);
  const { header } = await readSafetensors(memory(sound));
  await fc.assert(
    fc.asyncProperty(fc.nat(header.length - 1), fc.nat(255), async (at, value) => {
      const file = sound.slice();
      file[at] = value;
      try {
        await readSafetensors(memory(file));
      } catch (error) {
        return error instanceof PareError && !error.message.includes("\n");
      }
    }),
    { numRuns: 1000 },
  );
});

for (const model of ["Austen-700K", "tiny-llama3", "tiny-qwen2", "tiny-qwen3"]) {
  Deno.test(`the header that Pare would write for ${model} is the one that the reference writer wrote`, async () => {
    await using source = await openFile(`${FIXTURES}/${model}/model.safetensors`);
    const { entries, header } = await readSafetensors(source);
    const shuffled = [...entries.values()].reverse();
    const made = safetensorsHeader(shuffled);
    assertEquals(new TextDecoder().decode(made.header), new TextDecoder().decode(header));
    assertEquals(made.entries, [...entries.values()]);
  });
}
