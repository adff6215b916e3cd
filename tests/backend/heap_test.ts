/** The books of the shared memory. */
import { assertEquals } from "@std/assert";
import { Heap } from "../../src/backend/wasm/heap.ts";

Deno.test("what became idle between two looks at the memory is used, not grown past", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 16, shared: true }), heap = new Heap(memory);
  const big = heap.grow(3 * 65536, 0), size = memory.buffer.byteLength;
  // Command 7 still uses it, the last span of the memory; then it is done.
  heap.free(big, 3 * 65536, 7);
  assertEquals(heap.reuse(65536, 6), undefined);
  assertEquals(heap.grow(65536, 7), big);
  assertEquals([memory.buffer.byteLength, heap.used], [size, 65536]);
});
