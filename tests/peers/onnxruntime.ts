/**
 * onnxruntime-web's MatMul, on what the command line names: `wasm` (one thread: more it does not start under Deno) or
 * `webgpu`. The model of one node is written here, field by field as in `onnx.proto3`.
 */
import type { Product } from "../../scripts/bench/operands.ts";
import { serve } from "./serve.ts";

const VERSION = "1.30.0";
const provider = Deno.args[0];

/** Field `id` of a protobuf message: a number, a text, or a message's bytes. */
function field(id: number, value: number | string | number[]): number[] {
  const varint = (n: number): number[] => n < 128 ? [n] : [n % 128 + 128, ...varint(Math.floor(n / 128))];
  if (typeof value === "number") return [...varint(id << 3), ...varint(value)];
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...varint(id << 3 | 2), ...varint(bytes.length), ...bytes];
}

/** A ModelProto whose graph is `y = MatMul(x, w)`. */
function matMulModel({ tokens, depth, outs }: Product): Uint8Array {
  const dimension = (size: number) => field(1, field(1, size));
  const matrix = (name: string, rows: number, cols: number) => {
    const type = [...field(1, 1 /* FLOAT */), ...field(2, [...dimension(rows), ...dimension(cols)])];
    return [...field(1, name), ...field(2, field(1, type))];
  };
  const node = [...field(1, "x"), ...field(1, "w"), ...field(2, "y"), ...field(4, "MatMul")];
  const graph = [
    ...field(1, node),
    ...field(2, "product"),
    ...field(11, matrix("x", tokens, depth)),
    ...field(11, matrix("w", depth, outs)),
    ...field(12, matrix("y", tokens, outs)),
  ];
  const operators = [...field(1, ""), ...field(2, 13 /* the version of the operators */)];
  return new Uint8Array([...field(1, 8 /* the version of the format */), ...field(7, graph), ...field(8, operators)]);
}

await serve(async () => {
  // Not a literal, so that nobody who checks or caches this repository fetches it.
  const ort = await import(["npm:onnxruntime-web", `${VERSION}/${provider}`].join("@"));
  ort.env.wasm.numThreads = 1;
  const onDevice = provider === "webgpu";
  return {
    name: `onnxruntime-web ${VERSION}, ${onDevice ? "webgpu" : "wasm, 1 thread"}`,
    threads: onDevice ? undefined : 1,
    async prepare(x, w, product) {
      const session = await ort.InferenceSession.create(matMulModel(product), {
        executionProviders: [provider],
        ...onDevice && { preferredOutputLocation: "gpu-buffer" },
      });
      const { tokens, depth, outs } = product;
      let [a, b] = [new ort.Tensor("float32", x, [tokens, depth]), new ort.Tensor("float32", w, [depth, outs])];
      if (onDevice) [a, b] = [await place(ort, a), await place(ort, b)];
      const multiply = async () => (await session.run({ x: a, w: b })).y;
      return {
        async run(repeats) {
          for (let i = 0; i < repeats; i++) (await multiply()).dispose();
          if (onDevice) await (await ort.env.webgpu.device).queue.onSubmittedWorkDone();
        },
        result: async () => (await multiply()).getData(true),
        dispose() {
          session.release();
          a.dispose();
          b.dispose();
        },
      };
    },
  };
});

/** The tensor in a buffer of the device that the session computes on, so that no run uploads it again. */
// deno-lint-ignore no-explicit-any -- the package is not among our imports, so neither are its types
async function place(ort: any, tensor: any): Promise<any> {
  const device: GPUDevice = await ort.env.webgpu.device;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const gpuBuffer = device.createBuffer({ size: tensor.data.byteLength, usage });
  device.queue.writeBuffer(gpuBuffer, 0, tensor.data);
  const { dims } = tensor;
  return ort.Tensor.fromGpuBuffer(gpuBuffer, { dataType: "float32", dims, dispose: () => gpuBuffer.destroy() });
}
