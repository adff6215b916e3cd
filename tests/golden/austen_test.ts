/** Austen-700K against the published code, on every backend: the comparison that anyone can run. */
import { goldenSuite } from "./suite.ts";

const root = new URL("..", import.meta.url).pathname;
goldenSuite({
  name: "Austen-700K",
  model: `${root}fixtures/models/Austen-700K`,
  golden: `${root}golden/Austen-700K`,
  // The golden run repeated with other rounding does not differ in a bit; its perplexities agree to 3e-7.
  agreement: { masks: () => 0.9999 },
});
