/**
 * Claims about the WebGPU backend that the contract does not make: what it does where there is no adapter, when the
 * device is lost, out of memory or misused, and what it refuses. Nothing here may hang.
 */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { openBackend } from "../../src/backend/open.ts";
import { Device } from "../../src/backend/webgpu/device.ts";
import { describeAdapter, findAdapter, openWebgpu, TUNINGS } from "../../src/backend/webgpu/mod.ts";
import { TiledTensor } from "../../src/backend/webgpu/tensor.ts";
import { PareError } from "../../src/errors.ts";

/** Set by `deno task test` where no adapter could be had. */
const ignore = Deno.env.get("PARE_NO_WEBGPU") === "1";

/** A device of one's own, with what it wraps. */
async function openDevice(): Promise<{ gpu: GPUDevice; device: Device }> {
  const gpu = await (await findAdapter())!.requestDevice();
  return { gpu, device: new Device(gpu, 2 ** 20, TUNINGS.software) };
}

/** An adapter of which only its description is asked. */
function described(description: string, isFallbackAdapter = false): GPUAdapter {
  return {
    info: { description, isFallbackAdapter, vendor: "", architecture: "", device: "" },
  } as unknown as GPUAdapter;
}

Deno.test("a GPU is hardware unless it says, or its name says, that it is a program", () => {
  assert(describeAdapter(described("NVIDIA H100 80GB HBM3")).hardware);
  assert(describeAdapter(described("Apple M2")).hardware);
  for (
    const name of ["llvmpipe (LLVM 15.0.6, 256 bits)", "SwiftShader Device (Subzero)", "Microsoft Basic Render Driver"]
  ) {
    assertEquals(describeAdapter(described(name)), { description: name, hardware: false });
  }
  assert(!describeAdapter(described("anything", true)).hardware);
});

Deno.test("without an adapter, webgpu is an error of one line that says what to install, and auto is WASM", async () => {
  const code = `
    import { openBackend } from "${new URL("../../src/backend/open.ts", import.meta.url)}";
    const { name, message } = await openBackend("webgpu").catch((error) => error);
    await using backend = await openBackend("auto", { workers: 1 });
    console.log(JSON.stringify({ name, message, auto: backend.name }));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: { DENO_WEBGPU_BACKEND: "vulkan", VK_DRIVER_FILES: "/nonexistent.json", VK_ICD_FILENAMES: "/nonexistent.json" },
    stderr: "inherit",
  }).output();
  const { name, message, auto } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([name, auto], ["PareError", "wasm"]);
  assertStringIncludes(message, "mesa-vulkan-drivers libvulkan1");
  assert(!message.includes("\n"));
});

Deno.test({
  name: "webgpu is taken where it is asked for, software or not",
  ignore,
  async fn() {
    await using backend = await openBackend("webgpu");
    assertEquals([backend.name, backend.live], ["webgpu", 0]);
  },
});

Deno.test({
  name: "a device that is lost rejects the read under way and every later one, with an error that says so",
  ignore,
  async fn() {
    const { gpu, device } = await openDevice();
    using x = new TiledTensor(device, 3, 5, "F32");
    const into = new Uint8Array(60);
    gpu.destroy();
    for (let i = 0; i < 2; i++) {
      const error = await assertRejects(() => device.read([{ buffer: x.tiles[0], into }]), PareError);
      assertStringIncludes(error.message, "the GPU was lost (");
    }
  },
});

Deno.test({
  name: "a mistake in a command rejects the next read with what WebGPU found, as a bug",
  ignore,
  async fn() {
    const { device } = await openDevice();
    const buffer = device.take(16);
    device.copy(buffer, 0, buffer, 0, 4096);
    const error = await assertRejects(() => device.read([]), Error, "WebGPU");
    assert(!(error instanceof PareError));
    device.destroy();
  },
});

Deno.test({
  name: "a device out of memory rejects the next read with an error for the user",
  ignore,
  async fn() {
    const { gpu, device } = await openDevice();
    gpu.dispatchEvent(
      new GPUUncapturedErrorEvent("uncapturederror", { error: new GPUOutOfMemoryError("not enough memory left") }),
    );
    const error = await assertRejects(() => device.read([]), PareError);
    assertEquals(error.message, "the GPU is out of memory (not enough memory left)");
    device.destroy();
  },
});

Deno.test({
  name: "a row that no binding can hold is refused with both sizes",
  ignore,
  async fn() {
    await using backend = await openWebgpu({ bindingLimit: 4096 });
    const error = assertThrows(() => backend.allocate(2, 1025), PareError);
    assertEquals(error.message, "a matrix of 1025 columns: the GPU binds at most 4096 bytes, and a row needs 4100");
    assertEquals(backend.live, 0);
  },
});

Deno.test({
  name: "tensors of another backend, and disposed ones, are refused",
  ignore,
  async fn() {
    await using one = await openWebgpu();
    await using other = await openBackend("wasm", { workers: 1 });
    using foreign = other.allocate(2, 2);
    using own = one.allocate(2, 2);
    const gone = one.allocate(2, 2);
    gone[Symbol.dispose]();
    for (const wrong of [foreign, gone]) assertInstanceOf(assertThrows(() => one.add(own, wrong)), RangeError);
  },
});

Deno.test({
  name: "a group of more rows than a dimension has workgroups, or a loop of Mesa's has rounds, removes its first ties",
  ignore,
  async fn() {
    await using backend = await openWebgpu();
    const rows = 2 ** 17 + 3;
    using scores = backend.allocate(rows, 1);
    using mask = backend.selectSmallest(scores, { group: rows, sparsity: 0.75, rule: "count" });
    const [bytes] = await backend.read(mask);
    const words = new Uint32Array(bytes.buffer);
    const removed = Math.floor(rows * 0.75);
    assertEquals(words, Uint32Array.from({ length: rows }, (_, row) => row < removed ? 1 : 0));
  },
});
