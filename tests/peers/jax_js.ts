/** jax-js's matmul, on the device that the command line names: `wasm` (all cores) or `webgpu`. */
import { serve } from "./serve.ts";

const VERSION = "0.1.25";
const device = Deno.args[0];

await serve(async () => {
  // Not a literal, so that nobody who checks or caches this repository fetches it.
  const jax = await import(["npm:@jax-js/jax", VERSION].join("@"));
  if (!(await jax.init(device)).includes(device)) throw new Error(`no ${device} here`);
  jax.defaultDevice(device);
  return {
    name: `jax-js ${VERSION}, ${device}`,
    async prepare(x, w, { tokens, depth, outs }) {
      const a = jax.numpy.array(x).reshape([tokens, depth]), b = jax.numpy.array(w).reshape([depth, outs]);
      await jax.blockUntilReady([a, b]);
      // Arrays are consumed by what uses them; `ref` keeps one for the next time.
      const multiply = () => jax.numpy.matmul(a.ref, b.ref);
      return {
        async run(repeats) {
          const products = Array.from({ length: repeats }, multiply);
          await jax.blockUntilReady(products);
          for (const product of products) product.dispose();
        },
        result: () => multiply().data(),
        dispose() {
          a.dispose();
          b.dispose();
        },
      };
    },
  };
});
