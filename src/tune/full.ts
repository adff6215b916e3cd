/**
 * All of a model, trained: every tensor on the host, the kept weights of its linears among them. What a mask removes has no
 * gradient and no moments, and stays zero. All in F32, or what has two dimensions in BF16 (`parameter.ts`): then the gradients
 * of one block are F32 at a time.
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import type { Checkpoint, TensorInfo } from "../checkpoint/checkpoint.ts";
import { transpose } from "../checkpoint/transpose.ts";
import type { TensorSource } from "../model/block.ts";
import { modelTensors, type TensorSpec } from "../model/layers.ts";
import type { ModelSpec } from "../model/spec.ts";
import { hash } from "./hash.ts";
import { type Numbers, numbersIn, Parameter, type ParameterDtype } from "./parameter.ts";
import type { Trainee } from "./trainee.ts";

/** A tensor as a backend holds it: outputs x inputs, one row for what has one dimension. */
export function heldShape({ shape, transposed }: TensorSpec): readonly [rows: number, cols: number] {
  const [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
  return transposed ? [cols, rows] : [rows, cols];
}

/** A tensor's numbers in a dtype, as a backend holds them; what it cannot say is rounded to nearest. */
async function convert(
  backend: Backend,
  checkpoint: Checkpoint,
  spec: TensorSpec,
  to: ParameterDtype,
): Promise<Numbers> {
  const { name } = spec, { dtype } = checkpoint.tensors.get(name)!, [rows, cols] = heldShape(spec);
  const stored = (await checkpoint.read([name])).get(name)!;
  using tensor = backend.upload(spec.transposed ? transpose(stored, cols, rows, dtype) : stored, rows, cols, dtype);
  using wide = backend.combine([{ tensor, kept: 1 }]);
  using converted = backend.allocate(rows, cols, to);
  backend.assign(converted, wide);
  return numbersIn(to, (await backend.read(converted))[0]);
}

/** How all of a model is trained. */
export interface WholeModelOptions {
  /** How matrices are kept; F32 by default. */
  readonly dtype?: ParameterDtype;
  /** Of what is random where BF16 is rounded. */
  readonly seed?: number;
}

/** See the file's head. */
export class WholeModel implements Trainee {
  readonly parameters: readonly Parameter[];
  readonly checkpoint: Checkpoint;
  readonly source: TensorSource;
  readonly #byName: ReadonlyMap<string, Parameter>;
  /** What no other pass has. */
  #pass: readonly number[] = [];

  private constructor(
    checkpoint: Checkpoint,
    specs: ReadonlyMap<string, TensorSpec>,
    parameters: readonly Parameter[],
  ) {
    this.parameters = parameters;
    this.#byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
    this.checkpoint = overlay(checkpoint, specs, this.#byName);
    // Whenever a tensor comes to the backend the block before it is done with.
    this.source = { ...this.checkpoint, adapt: () => this.collect() };
  }

  /** Reads all of a model. @param mask The mask of a linear, by its name. */
  static async open(
    backend: Backend,
    checkpoint: Checkpoint,
    spec: ModelSpec,
    mask: (linear: string) => Mask | undefined,
    { dtype = "F32", seed = 0 }: WholeModelOptions = {},
  ): Promise<WholeModel> {
    using made = new DisposableStack();
    const specs = new Map(modelTensors(spec).map((one) => [one.name, one])), parameters: Parameter[] = [];
    for (const one of specs.values()) {
      const [rows, cols] = heldShape(one), own = mask(one.name.replace(/\.weight$/, ""));
      const numbers = await convert(backend, checkpoint, one, rows === 1 ? "F32" : dtype);
      const random = hash([seed, parameters.length]);
      parameters.push(made.use(new Parameter(backend, one.name, rows, cols, numbers, own, random)));
    }
    made.move(); // they are the caller's
    return new WholeModel(checkpoint, specs, parameters);
  }

  readonly trains = (name: string): boolean => this.#byName.has(name);

  readonly gradients = (name: string): Tensor | undefined => this.#byName.get(name)?.gradient;

  refresh(): void {}

  begin(training: readonly number[] = []): void {
    this.#pass = training;
  }

  /** Lays the gradients to rest. */
  collect(): void {
    for (const parameter of this.parameters) parameter.rest(...this.#pass);
  }

  /** Lets go of the parameters. */
  [Symbol.dispose](): void {
    for (const parameter of this.parameters) parameter[Symbol.dispose]();
  }
}

/** A checkpoint whose tensors are the parameters of these names, in their dtypes. */
function overlay(
  checkpoint: Checkpoint,
  specs: ReadonlyMap<string, TensorSpec>,
  parameters: ReadonlyMap<string, Parameter>,
): Checkpoint {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, info] of checkpoint.tensors) {
    const parameter = parameters.get(name);
    tensors.set(name, parameter ? { ...info, dtype: parameter.dtype, bytes: parameter.weight.byteLength } : info);
  }
  /** As the file holds it; the caller's own. */
  const bytesOf = ({ name, rows, cols, weight, dtype }: Parameter): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(weight.buffer);
    return specs.get(name)!.transposed ? transpose(bytes, rows, cols, dtype) : bytes.slice();
  };
  return {
    ...checkpoint,
    tensors,
    async read(names) {
      const own = names.flatMap((name) => parameters.get(name) ?? []);
      const others = names.filter((name) => !parameters.has(name));
      const found = others.length ? await checkpoint.read(others) : new Map<string, Uint8Array<ArrayBuffer>>();
      for (const parameter of own) found.set(parameter.name, bytesOf(parameter));
      return found;
    },
    readRows(name, firstRow, rows) {
      const parameter = parameters.get(name);
      if (!parameter) return checkpoint.readRows(name, firstRow, rows);
      const { cols, weight } = parameter;
      return Promise.resolve(new Uint8Array(weight.slice(firstRow * cols, (firstRow + rows) * cols).buffer));
    },
  };
}
