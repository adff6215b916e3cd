/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** A thread that reads its own memory as fast as WebAssembly can: told to, it goes through it once. See `stream_rate.ts`. */
import { advance, assembleModule, get, load, loop, set, store, V128 } from "./assembly.ts";
import { STREAM_BYTES } from "./stream_rate.ts";

/** Vectors of one turn of the loop, each with a sum of its own: as many loads as a core has under way. */
const TOGETHER = 8;
/** Parameters of the function, then its locals: a vector that was read, and the sums. */
const AT = 0, END = 1, SUM = 2;
const xor = (sum: number, offset: number) => [...load(AT, offset), ...get(sum), 0xfd, 0x51, ...set(sum)];

const body = [
  ...loop([
    ...Array.from({ length: TOGETHER }, (_, i) => xor(SUM + i, i * 16)).flat(),
    ...advance(AT, TOGETHER * 16),
  ], [...get(AT), ...get(END), 0x49]), // while below the end
  // What is not used need not be read.
  ...Array.from({ length: TOGETHER }, (_, i) => store(END, SUM + i, i * 16)).flat(),
  0x0b,
];
const { exports } = new WebAssembly.Instance(
  assembleModule(2, STREAM_BYTES / 65536 + 1, [1, TOGETHER, V128, ...body]),
);
const { run, memory } = exports as unknown as { run(at: number, end: number): void; memory: WebAssembly.Memory };
// Pages that nobody has written are one and the same, and stay in the cache.
new Uint32Array(memory.buffer, 0, STREAM_BYTES / 4).forEach((_, i, all) => all[i] = i);

self.onmessage = () => {
  run(0, STREAM_BYTES);
  self.postMessage("read");
};
self.postMessage("ready");
