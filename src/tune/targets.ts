/** Which linears LoRA adapts. */
import { linearsOf, walkLayers } from "../model/layers.ts";
import type { Linear, ModelSpec } from "../model/spec.ts";
import { compileGlob, linearNames } from "../stream/target.ts";

/**
 * The linears that match one of the globs; without globs the projections of queries and values, as published, or the linear
 * that both are rows of.
 * @throws PareError for a glob that matches nothing.
 */
export function tunedLinears(spec: ModelSpec, globs: readonly string[] = []): Linear[] {
  if (globs.length) {
    const names = linearNames(spec), patterns = globs.map((glob) => compileGlob(names, "--targets", glob));
    return spec.blocks.flatMap(linearsOf).filter(({ name }) => patterns.some((pattern) => pattern.test(name)));
  }
  return spec.blocks.flatMap(({ layers }) =>
    [...walkLayers(layers)].flatMap((layer) => {
      if (layer.kind !== "attention") return [];
      const { projections } = layer;
      return projections.kind === "fused" ? [projections.qkv] : [projections.q, projections.v];
    })
  );
}
