/**
 * jax-js's way to the inverse of a Hessian's factor, on the device that the command line names (`wasm` or `webgpu`): its
 * Cholesky factorisation, then its triangular solve with the identity. Asked for n, it answers with the seconds of one
 * and both, and with how far the result is from an inverse, as the largest number of `L X - I` in a row of it.
 */
const VERSION = "0.1.25";
const device = Deno.args[0];
const say = (answer: unknown) => console.log(JSON.stringify(answer));

/** A symmetric matrix with a diagonal that outweighs each row: positive definite. */
function hessian(n: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: n * n }, (_, at) => {
    const i = Math.floor(at / n), j = at % n;
    return i === j ? n : ((i + j) % 7 - 3) / 8;
  });
}

try {
  // Not a literal, so that nobody who checks or caches this repository fetches it.
  const jax = await import(["npm:@jax-js/jax", VERSION].join("@"));
  if (!(await jax.init(device)).includes(device)) throw new Error(`no ${device} here`);
  jax.defaultDevice(device);
  say({ name: `jax-js ${VERSION}, ${device}` });
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const { n } = JSON.parse(line);
      const h = jax.numpy.array(hessian(n)).reshape([n, n]), identity = jax.numpy.eye(n);
      await jax.blockUntilReady([h, identity]);
      // Arrays are consumed by what uses them; `ref` keeps one for the next time.
      const start = performance.now(), lower = jax.lax.linalg.cholesky(h);
      await jax.blockUntilReady(lower);
      const factorSeconds = (performance.now() - start) / 1000;
      const inverse = jax.lax.linalg.triangularSolve(lower.ref, identity, { leftSide: true, lower: true });
      await jax.blockUntilReady(inverse);
      const seconds = (performance.now() - start) / 1000;
      const [l, x] = [await lower.data(), await inverse.data()];
      let error = 0;
      for (let j = 0; j < n; j++) {
        let sum = j === n - 1 ? -1 : 0;
        for (let k = 0; k < n; k++) sum += l[(n - 1) * n + k] * x[k * n + j];
        error = Math.max(error, Math.abs(sum));
      }
      say({ factorSeconds, seconds, error });
    }
  }
} catch (error) {
  say({ missing: String(error).split("\n")[0] });
}
// A library's own threads may wait for work for ever.
Deno.exit();
