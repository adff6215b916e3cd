/** Hashes: of files as `sha256sum` has them, of a model wherever it stands, of tokens, masks and kernels. */
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { maskBits } from "../../src/checkpoint/mask.ts";
import { PareError } from "../../src/errors.ts";
import { digest, digestFile, digestKernels, digestModel } from "../../src/run/digest.ts";

/** What a shell prints, without the line end. */
async function shell(script: string, folder: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script], cwd: folder, env: { LC_ALL: "C" } }).output();
  return new TextDecoder().decode(stdout).trimEnd();
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare digest " });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file's hash is sha256sum's, for lengths around the size of a piece", () =>
  withFolder(async (folder) => {
    for (const length of [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3_000_000]) {
      const path = join(folder, "file");
      await Deno.writeFile(path, Uint8Array.from({ length }, (_, at) => at * 7 + (at >> 8)));
      let told = 0;
      const { sha256, bytes } = await digestFile(path, (read) => told += read);
      assertEquals(sha256, (await shell("sha256sum file", folder)).slice(0, 64));
      assertEquals([bytes, told], [length, length]);
    }
  }));

Deno.test("a file that cannot be read is named", async () => {
  await assertRejects(() => digestFile("/no/such/file"), PareError, "/no/such/file");
  await assertRejects(() => digestFile("/"), PareError, "cannot read /");
});

Deno.test("a model's hash is that of its folder's sorted sha256sum, in whatever order and place its files are named", () =>
  withFolder(async (folder) => {
    const names = ["model-00002.safetensors", "config.json", "Model.safetensors", "tokenizer.json"];
    for (const name of names) await Deno.writeTextFile(join(folder, name), `content of ${name}`);
    const files = await Promise.all(names.map((name) => digestFile(join(folder, name))));
    const expected = (await shell("sha256sum * | sort -k 2 | sha256sum", folder)).slice(0, 64);
    assertEquals(digestModel(files), expected);
    assertEquals(
      digestModel(files.toReversed().map((file) => ({ ...file, path: file.path.replace(folder, "/else/where") }))),
      expected,
    );
    assertNotEquals(digestModel(files.slice(1)), expected);
  }));

Deno.test("a mask's bits are 1 where the number is not zero, from the lowest bit up, in every dtype", () => {
  const values = [1, 0, -0, 2e-40, -2, 0, 0, 3, 0, 4, -1];
  const expected = { F32: [0b10011001, 0b110], BF16: [0b10011001, 0b110], F16: [0b10010001, 0b110] };
  const floats = Float32Array.from(values);
  const bytes = {
    F32: new Uint8Array(floats.buffer),
    // 2e-40 is a subnormal in both; of F16 it is below the least.
    BF16: new Uint8Array(Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16).buffer),
    F16: new Uint8Array(Float16Array.from(values).buffer),
  };
  for (const dtype of ["F32", "BF16", "F16"] as const) {
    assertEquals([...maskBits(bytes[dtype], dtype)], expected[dtype]);
  }
});

Deno.test("a weight that begins at an odd byte is read as well, and half a number is refused", () => {
  const odd = new Uint8Array(9).subarray(1);
  odd.set([0, 0, 128, 63, 0, 0, 0, 0]);
  assertEquals([...maskBits(odd, "F32")], [1]);
  assertThrows(() => maskBits(odd.subarray(1), "F32"), RangeError);
});

Deno.test("every kernel of the repository is hashed by its name", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const listed = await shell("cd wgsl && sha256sum *.wgsl; cd ../kernels/pkg && sha256sum *.wasm", root);
  const expected = Object.fromEntries(listed.split("\n").map((line) => line.split("  ").reverse()));
  assertEquals(await digestKernels(), expected);
  assertEquals(digest(await Deno.readFile(join(root, "wgsl/add.wgsl"))), expected["add.wgsl"]);
});
