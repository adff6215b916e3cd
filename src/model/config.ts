/**
 * `config.json` as a family's file reads it: keys with their types, defaults and older spellings, and the one line that says
 * what is wrong. transformers 4 and 5 write the same things under different keys; both are understood.
 */
import { z } from "npm:zod@4.6.7";
import type { Activation } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { Rope, RopeScaling } from "./rope.ts";

/** Larger than any published model by a hundredfold; a config beyond it is damaged, and would overflow our sums. */
export const LARGEST_DIMENSION = 1 << 24;

/** A count or width: a whole number from 1 on. */
export const dimension = z.number().int().min(1).max(LARGEST_DIMENSION);
/** A number of blocks or of experts: ten times those of any published model. */
export const depth = z.number().int().min(1).max(4096);
/** A whole number from 0 on. */
export const count = z.number().int().min(0).max(LARGEST_DIMENSION);
/** A number above 0. */
export const positive = z.number().positive();
/** Yes or no. */
export const flag = z.boolean();
/** A word. */
export const word = z.string();

const RopeSchema = z.object({
  rope_theta: positive.optional(),
  rope_type: word.optional(),
  type: word.optional(),
  factor: positive.nullish(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: dimension.optional(),
  partial_rotary_factor: positive.max(1).optional(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().min(0).nullish(),
  mscale_all_dim: z.number().min(0).nullish(),
  truncate: flag.optional(),
  short_factor: z.array(positive).optional(),
  long_factor: z.array(positive).optional(),
});

/** The keys of a rotation, whichever of the spellings the config has. */
export type RopeConfig = z.infer<typeof RopeSchema>;

/** By the names that configs give them; `quick_gelu` and others are not known. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu_fast: "gelu_tanh",
  relu: "relu",
};

/** See the file's head. */
export class Config {
  /**
   * @param raw The parsed file.
   * @param name What to call the model in an error.
   * @param tensors The names of the model's tensors, where they are known: some families write them with a prefix or without.
   */
  constructor(
    readonly raw: Readonly<Record<string, unknown>>,
    readonly name: string,
    readonly tensors?: { has(name: string): boolean },
  ) {}

  /** @throws PareError naming the model and its config. */
  fail(what: string): never {
    throw new PareError(`${this.name}: config.json: ${what}`);
  }

  /** A key that must be there. */
  get<T>(key: string, schema: z.ZodType<T>): T {
    return this.#parse(key, schema, this.raw[key]);
  }

  /** A key, or what it is where it is missing or null. */
  or<T, D>(key: string, schema: z.ZodType<T>, otherwise: D): T | D {
    const value = this.raw[key];
    return value === undefined || value === null ? otherwise : this.#parse(key, schema, value);
  }

  /** The first of these keys that is there. */
  either<T>(keys: readonly string[], schema: z.ZodType<T>, otherwise?: T): T {
    const found = keys.find((key) => this.raw[key] !== undefined && this.raw[key] !== null) ?? keys[0];
    return otherwise === undefined ? this.get(found, schema) : this.or(found, schema, otherwise);
  }

  /** A switch that is off where the config says nothing. */
  flag(key: string): boolean {
    return this.or(key, flag, false);
  }

  /**
   * The head's weight: the embedding's, if the config ties the two. A head that the file has nevertheless counts (transformers
   * does not tie what it has loaded).
   * @param otherwise Whether they are tied where no key says so.
   */
  head(otherwise: boolean, embedding: string, own: string): { readonly tensor: string; readonly tied: boolean } {
    const tied = this.or("tie_word_embeddings", flag, otherwise) && !this.tensors?.has(own);
    return { tensor: tied ? embedding : own, tied };
  }

  /** What this model's tensor names begin with: some files were saved without it. */
  prefix(tensor: string, prefix: string): string {
    return this.tensors?.has(tensor) ? "" : prefix;
  }

  /** The number of experts of a block. */
  experts(keys: readonly string[], otherwise: number): number {
    return this.either(keys, depth, otherwise);
  }

  /** A key of which null means none; what it is where it is missing. */
  nullable<T, D>(key: string, schema: z.ZodType<T>, missing: D): T | D | undefined {
    return this.raw[key] === undefined ? missing : this.or(key, schema, undefined);
  }

  #parse<T>(key: string, schema: z.ZodType<T>, value: unknown): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    return this.fail(`"${[key, ...issue.path].join(".")}": ${issue.message}`);
  }

  /**
   * Refuses an option whose meaning the forward pass does not have.
   * @param allowed The only value that is known, besides a missing one.
   */
  refuse(key: string, allowed: unknown): void {
    const value = this.raw[key];
    if (value !== undefined && value !== null && value !== allowed) {
      this.fail(`"${key}" is ${JSON.stringify(value)}; only ${JSON.stringify(allowed)} is known`);
    }
  }

  /** The activation of a key. */
  activation(key: string, otherwise: string): Activation {
    const name = this.or(key, word, otherwise);
    if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name];
    return this.fail(`the activation "${name}" is not known; known are ${Object.keys(ACTIVATIONS).join(", ")}`);
  }

  /** Heads, key-value heads and a head's width, of configs that name them as LLaMA does. */
  heads(
    hidden: number,
    defaults: { readonly headDim?: number; readonly kvHeads?: number } = {},
  ): { heads: number; kvHeads: number; headDim: number } {
    const heads = this.get("num_attention_heads", dimension);
    // Null is as many as query heads; a missing key what the family has.
    const kvHeads = this.nullable("num_key_value_heads", dimension, defaults.kvHeads) ?? heads;
    const headDim = this.or("head_dim", dimension, defaults.headDim ?? hidden / heads);
    return this.checkHeads({ heads, kvHeads, headDim });
  }

  /** Checks that heads divide what they share. */
  checkHeads<H extends { heads: number; kvHeads: number; headDim: number }>(found: H): H {
    const { heads, kvHeads, headDim } = found;
    if (!Number.isInteger(headDim)) this.fail(`expected a whole head width, found ${headDim}`);
    if (heads % kvHeads) this.fail(`${heads} heads cannot share ${kvHeads} key-value heads evenly`);
    return found;
  }

  /** Whether the config has `rope_parameters` (transformers 5). */
  get hasRopeParameters(): boolean {
    return this.raw.rope_parameters !== undefined && this.raw.rope_parameters !== null;
  }

  /**
   * The keys of the rotation: `rope_parameters` (transformers 5), else `rope_scaling` and the keys at the top (transformers 4).
   * @param kind Whose, where there is one for each kind of block.
   */
  ropeConfig(kind?: string): RopeConfig {
    const five = this.raw.rope_parameters;
    if (this.hasRopeParameters) {
      const kinds = Object(five) as Record<string, unknown>;
      const own = kind !== undefined && Object.hasOwn(kinds, kind) ? kinds[kind] : five;
      return this.#parse(kind && own !== five ? `rope_parameters.${kind}` : "rope_parameters", RopeSchema, own);
    }
    return this.or<RopeConfig, RopeConfig>("rope_scaling", RopeSchema, {});
  }

  /**
   * A rotation from its keys.
   * @param defaults Of the family: what a config without the key means.
   */
  rope(
    headDim: number,
    maxLength: number,
    keys: RopeConfig = this.ropeConfig(),
    defaults: { readonly base?: number; readonly part?: number; readonly layout?: Rope["layout"] } = {},
  ): Rope {
    const part = keys.partial_rotary_factor ?? this.or("partial_rotary_factor", positive.max(1), defaults.part ?? 1);
    const dim = Math.floor(headDim * part);
    if (dim % 2 || dim < 2) this.fail(`expected an even number of rotated dimensions of a head, found ${dim}`);
    const base = keys.rope_theta ?? this.or("rope_theta", positive, defaults.base ?? 10000);
    const { scaling, attentionFactor } = this.#scaling(keys, dim, maxLength);
    return { dim, layout: defaults.layout ?? "half", base, scaling, attentionFactor };
  }

  #scaling(rope: RopeConfig, dim: number, maxLength: number): { scaling: RopeScaling; attentionFactor: number } {
    // Published Phi 3 models with 128 k say "su", the older name of longrope.
    const kind = rope.rope_type ?? rope.type ?? "default";
    const need = (key: keyof RopeConfig): number => {
      const value = rope[key];
      return typeof value === "number" ? value : this.fail(`rope type "${kind}" needs a number "${key}"`);
    };
    // transformers believes the key at the top before the rotation's own.
    const original = this.or(
      "original_max_position_embeddings",
      dimension,
      rope.original_max_position_embeddings ?? maxLength,
    );
    switch (kind) {
      case "default":
        return { scaling: { kind: "none" }, attentionFactor: 1 };
      case "linear":
        return { scaling: { kind, factor: need("factor") }, attentionFactor: 1 };
      case "dynamic":
        if (dim < 4) this.fail(`rope type "dynamic" needs four rotated dimensions or more, found ${dim}`);
        return { scaling: { kind, factor: need("factor"), originalLength: maxLength }, attentionFactor: 1 };
      case "llama3": {
        const factor = need("factor"), low = need("low_freq_factor"), high = need("high_freq_factor");
        // Between the two is the ramp; without one its slope is a division by zero.
        if (low >= high) {
          this.fail(`rope type "llama3": expected low_freq_factor < high_freq_factor, found ${low} and ${high}`);
        }
        return {
          scaling: { kind, factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength: original },
          attentionFactor: 1,
        };
      }
      case "yarn": {
        const factor = rope.factor ?? maxLength / original;
        const scale = (multiplier: number) => factor <= 1 ? 1 : 0.1 * multiplier * Math.log(factor) + 1;
        const { mscale, mscale_all_dim: all } = rope;
        return {
          scaling: {
            kind,
            factor,
            betaFast: rope.beta_fast ?? 32,
            betaSlow: rope.beta_slow ?? 1,
            truncate: rope.truncate ?? true,
            originalLength: original,
          },
          attentionFactor: rope.attention_factor ?? (mscale && all ? scale(mscale) / scale(all) : scale(1)),
        };
      }
      case "longrope":
      case "su": {
        const { short_factor: short, long_factor: long } = rope;
        if (short?.length !== dim / 2 || long?.length !== dim / 2) {
          return this.fail(`rope type "${kind}" needs "short_factor" and "long_factor" of ${dim / 2} numbers each`);
        }
        const factor = rope.factor ?? maxLength / original;
        const attentionFactor = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        return {
          scaling: { kind: "longrope", short, long, originalLength: original },
          attentionFactor: rope.attention_factor ?? attentionFactor,
        };
      }
      default:
        return this.fail(
          `rope type "${kind}" is not known; known are default, linear, llama3, yarn, dynamic, longrope`,
        );
    }
  }

  /** For every block whether it slides: `layer_types` where the config spells it out, else what the family says. */
  slides(blocks: number, otherwise: (block: number) => boolean): boolean[] {
    const types = this.or("layer_types", z.array(z.enum(["sliding_attention", "full_attention"])), undefined);
    if (types && types.length !== blocks) {
      this.fail(`"layer_types" names ${types.length} blocks, "num_hidden_layers" ${blocks}`);
    }
    return Array.from(
      { length: blocks },
      (_, block) => types ? types[block] === "sliding_attention" : otherwise(block),
    );
  }
}
