/**
 * Claims about the WASM backend that the contract does not make: that its heap never hands out bytes that someone still
 * needs, and what it does without memory, without a worker and without permission. Nothing here may hang.
 */
import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { Heap } from "../../src/backend/wasm/heap.ts";
import type { Backend } from "../../src/backend/backend.ts";
import * as forward from "../../src/backend/wasm/forward.ts";
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

Deno.test("commands that go on without waiting give the bytes of those that come one after the other", async () => {
  const size = 24,
    steps = fc.array(fc.tuple(fc.nat(6), fc.nat(1000), fc.nat(1000), fc.boolean()), {
      minLength: 1,
      maxLength: 150,
    });
  await using alone = await openWasm({ workers: 1 });
  await using several = await openWasm({ workers: 3 });
  const numbers = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i * i));
  const bytes = (rows: number) => new Uint8Array(numbers.buffer, 0, rows * size * 4).slice();
  const run = async (backend: Backend, program: readonly (readonly [number, number, number, boolean])[]) => {
    using held = new DisposableStack();
    const [weight, gain] = [size, 1].map((rows) => held.use(backend.upload(bytes(rows), rows, size, "F32")));
    const tensors = [1, 1, 1].map((rows) => backend.upload(bytes(rows), rows, size, "F32"));
    held.defer(() => tensors.forEach((tensor) => tensor[Symbol.dispose]()));
    for (const [kind, first, second, frees] of program) {
      const a = tensors[first % tensors.length], b = tensors[second % tensors.length];
      if (kind === 6) {
        // In place: what is read before must not be what is written later.
        if (a !== b) backend.setRows(a, b, Uint32Array.of(0));
        continue;
      }
      const made = [
        () => backend.add(a, b),
        () => backend.norm(a, gain, { kind: "rms", epsilon: 1e-5 }),
        () => backend.linear(a, weight),
        () => backend.linear(a, weight, b),
        () => backend.gate(a, b, "silu"),
        () => backend.map(a, { kind: "scale", factor: 0.5 }),
      ][kind]();
      if (frees && tensors.length > 2) tensors.splice(second % tensors.length, 1)[0][Symbol.dispose]();
      tensors.push(made);
    }
    return await backend.read(...tensors);
  };
  await fc.assert(fc.asyncProperty(steps, async (program) => {
    assertEquals(await run(several, program), await run(alone, program));
  }));
  assertEquals([alone.live, several.live], [0, 0]);
});

Deno.test("a layer norm, which comes back to what it has written, gives the same bytes every time", async () => {
  await using backend = await openWasm({ workers: 2 });
  const cols = 4000, numbers = Float32Array.from({ length: cols }, (_, i) => Math.sin(i) + 3);
  using x = backend.upload(new Uint8Array(numbers.buffer), 1, cols, "F32");
  // Before workers shared one, one in some hundreds was wrong here.
  for (let round = 0; round < 20; round++) {
    using held = new DisposableStack();
    const norm = () => held.use(backend.norm(x, x, { kind: "layer", epsilon: 1e-5, bias: x }));
    const [first, ...others] = await backend.read(...Array.from({ length: 100 }, norm));
    for (const other of others) assertEquals(other, first);
  }
});

Deno.test("what commands that nobody waits for have read is not lent before the workers meet", async () => {
  const { engine, team } = await openEngine();
  await using _ = team;
  const x = engine.tensor(1, 576), { offset } = x;
  using y = forward.add(engine, x, x);
  x[Symbol.dispose]();
  using before = engine.tensor(1, 576);
  assertNotEquals(before.offset, offset);
  engine.run("copy", "copy", y.offset, 64, before.offset);
  using after = engine.tensor(1, 576);
  assertEquals(after.offset, offset);
});

Deno.test("what small commands leave behind does not make the memory grow", async () => {
  const { engine, heap, team } = await openEngine();
  await using _ = team;
  const backend = (n: number) => engine.tensor(1, n);
  let before = 0;
  for (let round = 0; round < 400; round++) {
    using x = backend(576);
    let y = forward.map(engine, x, { kind: "relu" });
    for (let i = 0; i < 30; i++) {
      const last = y;
      y = forward.add(engine, last, x);
      last[Symbol.dispose]();
    }
    y[Symbol.dispose]();
    await team.fence([]);
    if (round === 20) before = heap.size;
  }
  assertEquals(heap.size, before);
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
  {
    const { team, engine } = await openEngine();
    engine.run("copy", "copy", 0, 64, 0);
    // Closed before the workers are told of the command, at the end of this turn: they might be done with it else.
    void team[Symbol.asyncDispose]();
    assertThrows(() => team.settle(), Error, "disposed");
  }
  const { team, engine } = await openEngine(), nowhere = 2 ** 32 - 64;
  engine.run("copy", "copy", nowhere, 64, nowhere);
  await assertRejects(() => team.fence([]), PareError, "WASM worker died");
  await team[Symbol.asyncDispose]();
  assertThrows(() => team.settle(), PareError, "WASM worker died");
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
