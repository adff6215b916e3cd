/** Hidden states, resident and spooled: what is stored is what is lent, byte for byte, and all of it is given back. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { openHiddenStates } from "../../src/stream/hidden.ts";
import { temporary } from "../checkpoint/folders.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** A tensor of these rows whose bytes tell it apart; subnormal, infinite and NaN bit patterns among them. */
function tensorOf(backend: ReferenceBackend, rows: number, seed: number) {
  const words = Uint32Array.from({ length: rows * 3 }, (_, i) => Math.imul(seed * 97 + i, 2654435761));
  const bytes = new Uint8Array(words.buffer);
  return { bytes, tensor: backend.upload(bytes, rows, 3, "F32") };
}

for (const always of [false, true]) {
  const held = always ? "spooled" : "resident";
  Deno.test(`${held} states come back byte for byte, in any order, and after they were stored anew`, async () => {
    using folder = temporary();
    const backend = new ReferenceBackend();
    {
      await using hidden = await openHiddenStates(backend, 1000, { always, directory: folder.path });
      const check = async (expected: Uint8Array[]) => {
        for (const i of [2, 0, 1, 0]) {
          using lent = await hidden.load(i);
          assertEquals([lent.tensor.rows, lent.tensor.cols], [i + 1, 3]);
          assertEquals((await backend.read(lent.tensor))[0], expected[i]);
        }
      };
      for (const round of [1, 2]) {
        const states = [0, 1, 2].map((i) => tensorOf(backend, i + 1, 10 * round + i));
        for (const [i, { tensor }] of states.entries()) await hidden.store(i, tensor);
        await check(states.map(({ bytes }) => bytes));
        assertEquals(backend.live, always ? 0 : 3);
      }
      // The file has no name any more: whatever ends the process, nothing of it is left.
      if (Deno.build.os !== "windows") assertEquals([...Deno.readDirSync(folder.path)], []);
    }
    assertEquals([backend.live, [...Deno.readDirSync(folder.path)]], [0, []]);
  });
}

Deno.test("states beyond the limit are spooled without being asked", async () => {
  using folder = temporary();
  const backend = new ReferenceBackend(), spool = { directory: folder.path };
  for (const [bytes, live] of [[backend.limits.spoolAbove, 1], [backend.limits.spoolAbove + 1, 0]]) {
    await using hidden = await openHiddenStates(backend, bytes, spool);
    await hidden.store(0, tensorOf(backend, 1, 1).tensor);
    assertEquals(backend.live, live);
  }
});

Deno.test("a folder that does not exist, or is a file, is one line that names it", async () => {
  for (const directory of ["/nowhere/at/all", new URL(import.meta.url).pathname]) {
    const open = () => openHiddenStates(new ReferenceBackend(), 1, { always: true, directory });
    const { message } = await assertRejects(open, PareError);
    assert(message.startsWith(`cannot make a spool file in ${directory}: `) && !message.includes("\n"), message);
  }
});

Deno.test("a spool file that was made and cannot be opened is removed, and the error names the folder", async () => {
  using folder = temporary();
  const { open } = Deno, spool = { always: true, directory: folder.path };
  Deno.open = () => Promise.reject(new Error("Too many open files"));
  try {
    const { message } = await assertRejects(() => openHiddenStates(new ReferenceBackend(), 1000, spool), PareError);
    assertEquals(message, `cannot make a spool file in ${folder.path}: Too many open files`);
  } finally {
    Deno.open = open;
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("the next batch is read while this one is in use, and one that is stored meanwhile is not mistaken for it", async () => {
  using folder = temporary();
  const backend = new ReferenceBackend();
  await using hidden = await openHiddenStates(backend, 1000, { always: true, directory: folder.path });
  const states = [0, 1, 2].map((i) => tensorOf(backend, 2, i));
  for (const [i, { tensor }] of states.entries()) await hidden.store(i, tensor);
  const bytesOf = async (i: number) => {
    using lent = await hidden.load(i);
    return (await backend.read(lent.tensor))[0];
  };
  assertEquals(await bytesOf(0), states[0].bytes);
  // Batch 1 is on its way from the disk already.
  const other = tensorOf(backend, 2, 7);
  await hidden.store(1, other.tensor);
  assertEquals(await bytesOf(1), other.bytes);
  assertEquals(await bytesOf(2), states[2].bytes);
});

Deno.test("forwards and on the way back no batch is read that is not asked for", async () => {
  using folder = temporary();
  const backend = new ReferenceBackend(), { read } = Deno.FsFile.prototype;
  let bytes = 0;
  Deno.FsFile.prototype.read = async function (into) {
    const count = await read.call(this, into);
    bytes += count ?? 0;
    return count;
  };
  try {
    await using hidden = await openHiddenStates(backend, 1000, { always: true, directory: folder.path });
    for (const i of [0, 1, 2, 3]) await hidden.store(i, tensorOf(backend, 2, i).tensor);
    for (const order of [[0, 1, 2, 3], [3, 2, 1, 0]]) {
      bytes = 0;
      for (const i of order) (await hidden.load(i))[Symbol.dispose]();
      // What was read ahead of the last one, if anything, has been read when the next is written.
      await hidden.store(4, tensorOf(backend, 2, 4).tensor);
      await hidden.store(4, tensorOf(backend, 2, 4).tensor);
      assertEquals(bytes, 4 * 2 * 3 * Float32Array.BYTES_PER_ELEMENT, `${order}`);
    }
  } finally {
    Deno.FsFile.prototype.read = read;
  }
});
