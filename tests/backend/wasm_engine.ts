/** The engine of a WASM backend by itself, with one worker and a heap that can be made short. */
import { initSync } from "../../kernels/pkg/kernels.js";
import { controlBytes } from "../../src/backend/wasm/control.ts";
import { Engine } from "../../src/backend/wasm/engine.ts";
import { Heap, MOST_PAGES, OutOfMemory } from "../../src/backend/wasm/heap.ts";
import { loadModule } from "../../src/backend/wasm/module.ts";
import { Team } from "../../src/backend/wasm/team.ts";

const SHORT = "the memory is short";

/** Refuses one request, the `failing`-th from 0 on. */
export class ShortHeap extends Heap {
  requests = 0;
  failing = Infinity;

  override reuse(bytes: number, done: number): number | undefined {
    if (this.requests++ === this.failing) throw new OutOfMemory(SHORT);
    return super.reuse(bytes, done);
  }
}

/** An engine of one worker whose heap can be made short. */
export async function openEngine(): Promise<{ engine: Engine; heap: ShortHeap; team: Team }> {
  const { module } = await loadModule(), stackBytes = 2 ** 20;
  initSync({ module, thread_stack_size: stackBytes });
  const memory = new WebAssembly.Memory({ initial: 32, maximum: MOST_PAGES, shared: true });
  const heap = new ShortHeap(memory), controlOffset = heap.grow(controlBytes(1), 0);
  const control = new Int32Array(memory.buffer, controlOffset, controlBytes(1) / 4);
  const team = await Team.start(1, control, { module, memory, stackBytes, controlOffset });
  return { engine: new Engine(memory, heap, team, 1), heap, team };
}
