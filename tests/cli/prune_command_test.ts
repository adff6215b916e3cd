/** An old command line of the published code means what it meant there. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { parse } from "../../src/cli/flags.ts";
import { normalizeFlags, pruneCommand, type PruneValues } from "../../src/cli/prune_command.ts";
import { PareError } from "../../src/errors.ts";

function read(line: string): PruneValues & { readonly notes: readonly string[] } {
  const notes: string[] = [];
  const values = parse(pruneCommand, line.split(" "));
  assert(values !== "help");
  return { ...normalizeFlags(values, (note) => notes.push(note)), notes };
}

Deno.test("the command of the published README runs unchanged", () => {
  const { model, method, sparsity, pattern, out, notes } = read(
    "--model baffo32/decapoda-research-llama-7B-hf --prune_method wanda --sparsity_ratio 0.5 " +
      "--sparsity_type unstructured --save out/llama_7b/unstructured/wanda/",
  );
  assertEquals(
    { model, method, sparsity, pattern, out },
    {
      model: "baffo32/decapoda-research-llama-7B-hf",
      method: "wanda",
      sparsity: 0.5,
      pattern: undefined,
      out: "out/llama_7b/unstructured/wanda/",
    },
  );
  assertEquals(notes, ["--save out/llama_7b/unstructured/wanda/: the pruned model goes there"]);
});

Deno.test("--save_model is the place of the model, whatever --save says", () => {
  const { out, notes } = read("--model m --save log --save_model pruned");
  assertEquals([out, notes], ["pruned", []]);
});

Deno.test("--nsamples and --use_variant are --samples and --variant", () => {
  const { samples, variant } = read("--model m --out o --nsamples 8 --use_variant");
  assertEquals([samples, variant], [8, true]);
});

Deno.test("--sparsity_type 2:4 and 4:8 are the patterns of the same name, without a word", () => {
  for (const type of ["2:4", "4:8"]) {
    const { pattern, notes } = read(`--model m --out o --sparsity_type ${type} --sparsity_ratio 0.5`);
    assertEquals([pattern, notes], [type, []]);
  }
});

Deno.test("--sparsity_type 1:4 removes one of four: the pattern 3:4, and that is said", () => {
  const { pattern, notes } = read("--model m --out o --sparsity_type 1:4");
  assertEquals(pattern, "3:4");
  assertEquals(notes, ["--sparsity_type 1:4 counts the removed weights: the same as --pattern 3:4"]);
});

Deno.test("--sparsity_type of another form is an error", () => {
  for (const type of ["4:4", "2-4", "structured"]) {
    assertThrows(() => read(`--model m --out o --sparsity_type ${type}`), PareError, type);
  }
});

Deno.test("without a place for the result nothing is pruned, but a plan can be made", () => {
  assertThrows(() => read("--model m"), PareError, "--out is missing");
  assertEquals(read("--model m --dry-run").out, undefined);
});

Deno.test("--prune_method ablate_wanda_seq is Wanda with a sequential update, and the like", () => {
  for (
    const [name, method, update] of [
      ["ablate_wanda_seq", "wanda", "sequential"],
      ["ablate_wanda_iter", "wanda", "iterative"],
      ["ablate_mag_seq", "magnitude", "sequential"],
      ["ablate_mag_iter", "magnitude", "iterative"],
    ]
  ) {
    const values = read(`--model m --out o --prune_method ${name}`);
    assertEquals([values.method, values.update], [method, update]);
    assertEquals(values.notes, [`--prune_method ${name}: the same as --method ${method} --update ${update}`]);
  }
});
