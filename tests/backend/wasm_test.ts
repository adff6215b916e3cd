/**
 * Claims about the WASM backend that the contract does not make: that its heap never hands out bytes that someone still
 * needs, and what it does without memory, without a worker and without permission. Nothing here may hang.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { Heap } from "../../src/backend/wasm/heap.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { PareError } from "../../src/errors.ts";
import { openEngine } from "./wasm_engine.ts";

/** Bytes on loan, or given back while commands up to `until` may still touch them. */
interface Loan {
  readonly offset: number;
  readonly bytes: number;
  readonly until: number;
}

function overlap(a: Loan, b: Loan): boolean {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

Deno.test("the heap never lends bytes twice, nor bytes to be written at once that a command may still touch", () => {
  const step = fc.record({ kind: fc.constantFrom("queue", "write", "free", "run"), size: fc.nat(300_000) });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum: 1000, shared: true }));
    let queued = 0, done = 0;
    let lent: Loan[] = [], back: Loan[] = [];
    for (const { kind, size } of steps) {
      if (kind === "run") done = queued;
      else if (kind === "free") {
        const [loan] = lent.splice(size % (lent.length || 1), 1);
        if (!loan) continue;
        heap.free(loan.offset, loan.bytes, ++queued);
        back.push({ ...loan, until: queued });
      } else {
        const limit = kind === "queue" ? Infinity : done;
        const loan = { offset: heap.reuse(size, limit) ?? heap.grow(size, limit), bytes: size, until: 0 };
        assertEquals(loan.offset % 64, 0);
        assert(!lent.some((other) => overlap(loan, other)));
        assert(kind === "queue" || !back.some((other) => other.until > done && overlap(loan, other)));
        lent = [...lent, loan];
        back = back.filter((other) => kind === "write" || !overlap(loan, other));
      }
    }
    for (const { offset, bytes } of lent) heap.free(offset, bytes, queued);
    assertEquals(heap.used, 0);
    // All is one span again: it can be lent whole.
    assert(heap.size === 0 || heap.reuse(heap.size, queued) !== undefined);
  }));
});

Deno.test("memory that cannot grow is an error that says so, and what is then freed can be lent", () => {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum: 9, shared: true })); // 512 KiB to lend
  const offset = heap.grow(400_000, 0);
  assertStringIncludes(assertThrows(() => heap.grow(200_000, 0), PareError).message, "is the most");
  heap.free(offset, 400_000, 0);
  assertEquals(heap.reuse(200_000, 0), offset);
});

Deno.test("uploads that nobody waits for do not pile up", async () => {
  await using backend = await openWasm({ workers: 1 });
  const bytes = new Uint8Array(2 ** 24);
  for (let i = 0; i < 300; i++) { // 4.7 GiB, were nothing used again
    using x = backend.upload(bytes, 2 ** 11, 2 ** 11, "F32");
    using _ = backend.add(x, x);
  }
  await backend.read();
  assertEquals(backend.live, 0);
});

Deno.test("a worker that dies ends every read with one line, and nothing hangs", async () => {
  await using backend = await openWasm({ workers: 2 });
  using x = backend.upload(new Uint8Array(16), 2, 2, "F32");
  Object.defineProperty(x, "offset", { value: 2 ** 32 - 64 }); // nobody's memory
  using y = backend.add(x, x);
  const first = backend.read(y), second = backend.read();
  for (const read of [first, second]) {
    const error = await assertRejects(() => read, PareError);
    assertStringIncludes(error.message, "WASM worker died: ");
  }
  backend.add(x, x)[Symbol.dispose]();
  await assertRejects(() => backend.read(), PareError);
});

Deno.test("a read under way when the backend closes is rejected", async () => {
  const backend = await openWasm({ workers: 1 });
  const read = backend.read();
  const rejected = assertRejects(() => read, Error, "disposed");
  await backend[Symbol.asyncDispose]();
  await rejected;
});

Deno.test("whoever waits for memory of a backend that was closed, or whose worker has died, is told so", async () => {
  for (const death of [false, true]) {
    const { team, engine } = await openEngine();
    const offset = death ? 2 ** 32 - 64 : 0; // nobody's memory
    engine.run("copy", "copy", offset, 64, offset);
    const read = team.fence([]);
    read.catch(() => {});
    if (death) await assertRejects(() => read, PareError, "WASM worker died");
    await team[Symbol.asyncDispose]();
    assertThrows(() => team.settle(), death ? PareError : Error, death ? "WASM worker died" : "disposed");
  }
});

Deno.test("more workers than a machine can use are refused in one line, before one is started", async () => {
  const cores = navigator.hardwareConcurrency, most = Math.max(16, 4 * cores);
  for (const workers of [most + 1, 100_000, Number.MAX_SAFE_INTEGER]) {
    const { message } = await assertRejects(() => openWasm({ workers }), PareError);
    assertEquals(message, `--workers ${workers}: expected at most ${most} on this machine, which has ${cores} cores`);
  }
});

Deno.test("without permission to read the worker's file, one line says so, and the process ends on its own", async () => {
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const module = new URL("../../src/backend/wasm/mod.ts", import.meta.url).href;
    await Deno.writeTextFile(
      script,
      `import { openWasm } from ${JSON.stringify(module)};
       await openWasm({ workers: 1 }).catch((error) => console.log(error.name, error.message));`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = ["run", "--no-prompt", "--no-check", "--config", config, script];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    assertStringIncludes(new TextDecoder().decode(stdout), "PareError WASM worker died: Requires read access");
  } finally {
    await Deno.remove(script);
  }
});
