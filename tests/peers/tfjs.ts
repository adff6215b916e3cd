/** TensorFlow.js's matMul on WebGPU. */
import { serve } from "./serve.ts";

const VERSION = "4.22.0";

await serve(async () => {
  // Not literals, so that nobody who checks or caches this repository fetches them.
  const tf = await import(["npm:@tensorflow/tfjs-core", VERSION].join("@"));
  await import(["npm:@tensorflow/tfjs-backend-webgpu", VERSION].join("@"));
  if (!await tf.setBackend("webgpu")) throw new Error("no webgpu here");
  await tf.ready();
  return {
    name: `tfjs ${VERSION}, webgpu`,
    prepare(x, w, { tokens, depth, outs }) {
      const a = tf.tensor2d(x, [tokens, depth]), b = tf.tensor2d(w, [depth, outs]);
      return Promise.resolve({
        async run(repeats) {
          const products = Array.from({ length: repeats }, () => tf.matMul(a, b));
          // Its queue has no fence that can be waited for: one number that depends on the last product is read.
          const corner = tf.slice(products.at(-1), [0, 0], [1, 1]);
          await corner.data();
          tf.dispose([corner, ...products]);
        },
        result: () => tf.matMul(a, b).data(),
        dispose: () => tf.dispose([a, b]),
      });
    },
  };
});
