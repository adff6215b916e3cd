/** From a checkpoint to the specification of its model, and the check that it has the tensors of one. */
import { BYTES } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import { Config } from "./config.ts";
import { FAMILIES } from "./families/mod.ts";
import { modelTensors } from "./layers.ts";
import type { ModelSpec } from "./spec.ts";

/**
 * Understands a parsed `config.json`, as transformers 4 or 5 write it.
 * @param name What to call the model in an error.
 * @param tensors The names of its tensors, where they are known.
 * @throws PareError for a family that is not known, a value that is missing or out of range, or an option (an activation, a
 * rope type) that the forward pass does not have.
 */
export function parseConfig(
  config: Readonly<Record<string, unknown>>,
  name: string,
  tensors?: { has(name: string): boolean },
): ModelSpec {
  const { model_type: type } = config,
    known = [...FAMILIES.keys()].join(", "),
    read = new Config(config, name, tensors);
  if (typeof type !== "string") return read.fail(`expected a "model_type", one of ${known}`);
  const family = FAMILIES.get(type);
  if (!family) return read.fail(`the family "${type}" is not known; known are ${known}`);
  return family.read(read);
}

/** What a checkpoint holds. */
export type Held = Pick<Checkpoint, "path" | "tensors"> & Partial<Pick<Checkpoint, "others">>;

/** The names of all tensors, of whatever dtype. */
export function namesOf({ tensors, others }: Held): { has(name: string): boolean } {
  return { has: (name) => tensors.has(name) || others?.has(name) === true };
}

/**
 * Checks that a checkpoint has every tensor of the specification, as its config says, and no further block.
 * @throws PareError naming the first tensor that is missing, of another shape or of a dtype that nothing computes with, or how many blocks there are.
 */
export function checkTensors(spec: ModelSpec, checkpoint: Held): void {
  for (const { name, shape } of modelTensors(spec)) {
    const found = checkpoint.tensors.get(name), other = checkpoint.others?.get(name);
    if (other) {
      const known = Object.keys(BYTES).join(", ");
      throw new PareError(`${checkpoint.path}: tensor "${name}" is ${other.dtype}; Pare reads ${known}`);
    }
    if (!found) throw new PareError(`${checkpoint.path}: no tensor ${name}, which config.json asks for`);
    if (found.shape.join() !== shape.join()) {
      throw new PareError(
        `${checkpoint.path}: tensor ${name}: expected the shape [${shape.join(", ")}] by config.json, found [${
          found.shape.join(", ")
        }]`,
      );
    }
  }
  const { blocks } = spec, common = blocks[0].name.replace(/\d+$/, "");
  let last = blocks.length - 1;
  for (const name of checkpoint.tensors.keys()) {
    if (name.startsWith(common)) last = Math.max(last, parseInt(name.slice(common.length)) || 0);
  }
  if (last >= blocks.length) {
    throw new PareError(
      `${checkpoint.path}: config.json says that there are ${blocks.length} blocks, the weights have ${last + 1}; ` +
        "expected as many: give the config.json that belongs to these weights",
    );
  }
}

/**
 * The specification of a checkpoint that is what its config says.
 * @throws PareError as {@linkcode parseConfig} and {@linkcode checkTensors}.
 */
export function readSpec(checkpoint: Held & Pick<Checkpoint, "config">): ModelSpec {
  const spec = parseConfig(checkpoint.config, checkpoint.path, namesOf(checkpoint));
  checkTensors(spec, checkpoint);
  return spec;
}
