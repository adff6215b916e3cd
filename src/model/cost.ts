/** What a block costs: floating-point operations and bytes, by a walk over its tree. No numbers are computed here. */
import { attentionInputs, mlpLinears, walkLayers } from "./layers.ts";
import type { BlockSpec, Linear } from "./spec.ts";

/** Two operations for each weight. */
function linearFlops(linears: readonly Linear[]): number {
  return 2 * linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
}

/** The keys that the tokens of a sequence see, in the mean over the tokens. */
function meanKeys(length: number, window = Infinity): number {
  const seen = Math.min(length, window);
  // The first tokens see 1, 2, ... keys, all others the whole window.
  return length === 0 ? 0 : (seen * (seen + 1) / 2 + (length - seen) * seen) / length;
}

/**
 * Floating-point operations of a token in a block, in the mean over the tokens of a sequence: two for each weight, and the
 * scores and sums of attention. Of experts those that a token takes are counted.
 * @param length Tokens of the sequence.
 * @param without Linears that are left out.
 */
export function tokenFlops({ layers }: BlockSpec, length: number, without: readonly Linear[] = []): number {
  const left = new Set(without.map(({ name }) => name));
  const kept = (linears: readonly Linear[]) => linearFlops(linears.filter(({ name }) => !left.has(name)));
  let flops = 0, share = 1;
  for (const layer of walkLayers(layers)) {
    switch (layer.kind) {
      case "attention": {
        const { heads, headDim, window } = layer;
        flops += kept([...attentionInputs(layer), layer.output]) + 4 * heads * headDim * meanKeys(length, window);
        break;
      }
      case "experts":
        // Its experts follow, each for its share of the tokens.
        share = layer.chosen / layer.experts.length;
        flops += linearFlops([layer.router]);
        break;
      case "mlp":
        flops += share * kept(mlpLinears(layer));
        break;
    }
  }
  return flops;
}
