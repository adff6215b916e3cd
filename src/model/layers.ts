/** What a walk over a specification's tree finds: linears, shared inputs, tensors, weights. No numbers are computed here. */
import type { Attention, BlockSpec, Experts, Layer, Linear, Mlp, ModelSpec, Norm } from "./spec.ts";

/** A tensor that a model is made of: its name and its shape in the file. */
export interface TensorSpec {
  /** In the file. */
  readonly name: string;
  /** Outermost first. */
  readonly shape: readonly number[];
  /** A linear's weight that the file holds as inputs x outputs. */
  readonly transposed?: boolean;
}

/** Linears of an MLP that see its input. */
export function mlpInputs({ input }: Mlp): Linear[] {
  return input.kind === "plain" ? [input.up] : input.kind === "gated" ? [input.gate, input.up] : [input.gateUp];
}

/** Linears of an attention that see its input. */
export function attentionInputs({ projections }: Attention): Linear[] {
  return projections.kind === "fused" ? [projections.qkv] : [projections.q, projections.k, projections.v];
}

/** Every layer below these, parents before their children, in the order of the forward pass. */
export function* walkLayers(layers: readonly Layer[]): Generator<Layer> {
  for (const layer of layers) {
    yield layer;
    if (layer.kind === "residual") yield* walkLayers(layer.body);
    if (layer.kind === "parallel") { for (const branch of layer.branches) yield* walkLayers(branch); }
    if (layer.kind === "experts") yield* layer.experts;
  }
}

/** The layer of a kind in a block, the first one. */
export function findLayer<K extends Layer["kind"]>(block: BlockSpec, kind: K): Extract<Layer, { kind: K }> | undefined {
  for (const layer of walkLayers(block.layers)) if (layer.kind === kind) return layer as Extract<Layer, { kind: K }>;
  return undefined;
}

/**
 * The linears of a block that can be pruned, grouped by the input that they share, in the order of the forward pass: the
 * linears of a group see the same numbers and share one statistic.
 */
export function inputGroups(block: BlockSpec): Linear[][] {
  const groups: Linear[][] = [];
  // What a layer is given is known by the group that the linears which see it are in; a norm gives something new.
  const visit = (layers: readonly Layer[], group: Linear[]): void => {
    let seen = group;
    for (const layer of layers) {
      switch (layer.kind) {
        case "residual":
          visit(layer.body, seen);
          break;
        case "parallel":
          for (const branch of layer.branches) visit(branch, seen);
          break;
        case "attention":
          add(seen, attentionInputs(layer));
          groups.push([layer.output]);
          break;
        case "mlp":
          add(seen, mlpInputs(layer));
          groups.push([layer.down]);
          break;
        case "experts":
          for (const expert of layer.experts) groups.push(mlpInputs(expert), [expert.down]);
          break;
        case "norm":
          break;
      }
      seen = [];
    }
  };
  const add = (group: Linear[], linears: Linear[]) => {
    if (!group.length) groups.push(group);
    group.push(...linears);
  };
  visit(block.layers, []);
  return groups;
}

/** The linears of a block that can be pruned, in the order of the forward pass. */
export function linearsOf(block: BlockSpec): Linear[] {
  return [...walkLayers(block.layers)].flatMap((layer) =>
    layer.kind === "attention"
      ? [...attentionInputs(layer), layer.output]
      : layer.kind === "mlp"
      ? mlpLinears(layer)
      : []
  );
}

/** The linears of an MLP, such as an expert. */
export function mlpLinears(mlp: Mlp): Linear[] {
  return [...mlpInputs(mlp), mlp.down];
}

/** The experts of a block, if it has some. */
export function expertsOf(block: BlockSpec): Experts | undefined {
  return findLayer(block, "experts");
}

function* normTensors({ name, cols, rows, bias }: Norm): Generator<TensorSpec> {
  const shape = rows === undefined ? [cols] : [rows, cols];
  yield { name: `${name}.weight`, shape };
  if (bias) yield { name: `${name}.bias`, shape };
}

function* linearTensors({ name, rows, cols, bias, transposed }: Linear): Generator<TensorSpec> {
  yield { name: `${name}.weight`, ...transposed ? { shape: [cols, rows], transposed } : { shape: [rows, cols] } };
  if (bias) yield { name: `${name}.bias`, shape: [rows] };
}

function* layerTensors(layer: Layer): Generator<TensorSpec> {
  switch (layer.kind) {
    case "norm":
      yield* normTensors(layer);
      break;
    case "attention":
      for (const linear of [...attentionInputs(layer), layer.output]) yield* linearTensors(linear);
      for (const norm of [layer.queryNorm, layer.keyNorm]) if (norm) yield* normTensors(norm);
      break;
    case "mlp":
      for (const linear of [...mlpInputs(layer), layer.down]) yield* linearTensors(linear);
      break;
    case "experts":
      yield* linearTensors(layer.router);
      break;
  }
}

/** The tensors of a block that are on the backend as long as it is: all but its experts'. */
export function residentTensors(block: BlockSpec): TensorSpec[] {
  const experts = new Set<Layer>(expertsOf(block)?.experts);
  return [...walkLayers(block.layers)].filter((layer) => !experts.has(layer)).flatMap((layer) => [
    ...layerTensors(layer),
  ]);
}

/** The tensors of one expert. */
export function expertTensors(expert: Mlp): TensorSpec[] {
  return [...layerTensors(expert)];
}

/** All tensors of a block. */
export function blockTensors(block: BlockSpec): TensorSpec[] {
  return [...walkLayers(block.layers)].flatMap((layer) => [...layerTensors(layer)]);
}

/** The names of all tensors that a model is made of: what a file holds besides is nobody's business. */
export function tensorNames(spec: ModelSpec): ReadonlySet<string> {
  return new Set(modelTensors(spec).map(({ name }) => name));
}

/** The weights that a model's files hold as inputs x outputs, by their tensors' names. */
export function transposedTensors(spec: ModelSpec): ReadonlySet<string> {
  return new Set(modelTensors(spec).filter(({ transposed }) => transposed).map(({ name }) => name));
}

/** Every tensor before the first block. */
export function embeddingTensors({ embedding, vocabulary, hidden }: ModelSpec): TensorSpec[] {
  const { positions } = embedding;
  return [
    { name: embedding.tensor, shape: [vocabulary, embedding.width] },
    ...positions ? [{ name: positions.tensor, shape: [positions.rows, hidden] as const }] : [],
    ...embedding.project ? linearTensors(embedding.project) : [],
    ...embedding.norm ? normTensors(embedding.norm) : [],
  ];
}

/** Every tensor of a model, each once. */
export function modelTensors(spec: ModelSpec): TensorSpec[] {
  const { blocks, head, vocabulary } = spec;
  return [
    ...embeddingTensors(spec),
    ...head.norm ? normTensors(head.norm) : [],
    ...head.project ? linearTensors(head.project) : [],
    ...head.tied ? [] : [{ name: head.tensor, shape: [vocabulary, head.width] }],
    ...blocks.flatMap(blockTensors),
  ];
}
