/**
 * The numbers that every side multiplies, so that results can be compared: small multiples of 1/8, whose products and
 * sums are exact in f32 whatever their order. The programs in `tests/peers` make the same.
 */

/** `count` numbers of x (tokens x depth), row-major. */
export function inputs(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => (i % 7 - 3) / 8);
}

/** `count` numbers of the weight (outs x depth), row-major. */
export function weights(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => (i % 5 - 2) / 8);
}

/** A product `x Wᵀ`. */
export interface Product {
  readonly tokens: number;
  readonly depth: number;
  readonly outs: number;
}

/** Floating-point operations of a product. */
export function flops({ tokens, depth, outs }: Product): number {
  return 2 * tokens * depth * outs;
}

/** The first and the last number of the product. */
export function corners({ tokens, depth, outs }: Product): [number, number] {
  const dot = (row: number, column: number) => {
    let sum = 0;
    for (let k = 0; k < depth; k++) {
      sum += (((row * depth + k) % 7 - 3) / 8) * (((column * depth + k) % 5 - 2) / 8);
    }
    return sum;
  };
  return [dot(0, 0), dot(tokens - 1, outs - 1)];
}

/**
 * Holds what a side has computed against the truth: a figure of another product would be worth nothing.
 * @throws Error naming the side.
 */
export function checkCorners(label: string, product: Product, found: readonly number[]): void {
  const expected = corners(product);
  if (expected.some((value, i) => value !== found[i])) {
    throw new Error(`${label}: expected the corners ${expected} of ${JSON.stringify(product)} but found ${found}`);
  }
}
