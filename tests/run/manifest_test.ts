/** Manifests: they survive their file, their plan cannot be changed unseen, and an input that changed is told, and how. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { digestFile } from "../../src/run/digest.ts";
import { checkInputs, describeChange, makeManifest, manifestText, parseManifest } from "../../src/run/manifest.ts";
import { planId } from "../../src/run/plan.ts";
import type { Manifest } from "../../src/run/record.ts";
import { manifest as example } from "./runs.ts";

function make(changes: Partial<Manifest> = {}): Manifest {
  const { planId: _id, environment: _environment, ...facts } = { ...example({ pattern: "2:4" }), ...changes };
  return makeManifest(facts);
}

Deno.test("a manifest survives its file, and names its plan and this Deno", () => {
  const manifest = make({ args: ["--model", "a b", "--include", "*.mlp.*"] });
  assertEquals(parseManifest(manifestText(manifest), "m.json"), manifest);
  assertEquals(manifest.planId, planId(manifest.plan));
  assertEquals(manifest.environment.deno, Deno.version.deno);
});

Deno.test("a plan that was changed by hand is not the one that the id names", () => {
  const text = manifestText(make()).replace('"sparsity": 0.5', '"sparsity": 0.6');
  assertThrows(() => parseManifest(text, "m.json"), PareError, "m.json: the plan was changed: planId says ");
});

Deno.test("what is no manifest is told with its field", () => {
  const spoilt = { ...make(), inputs: [{ path: "model", bytes: -1, sha256: "00".repeat(32) }] };
  assertThrows(
    () => parseManifest(JSON.stringify(spoilt), "m.json"),
    PareError,
    "m.json: not a manifest: inputs.0.bytes: ",
  );
});

Deno.test("inputs that are missing, of another size or of another content are told; the others are not", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare inputs, ü " });
  try {
    const path = (name: string) => join(folder, name);
    const names = ["same", "touched", "gone", "longer", "flipped"];
    for (const name of names) await Deno.writeTextFile(path(name), `content of ${name}`);
    const inputs = await Promise.all(names.map((name) => digestFile(path(name))));
    assertEquals(await checkInputs({ inputs }), []);

    await Deno.utime(path("touched"), 0, 0);
    await Deno.remove(path("gone"));
    await Deno.writeTextFile(path("longer"), "!", { append: true });
    await Deno.writeTextFile(path("flipped"), "content of Flipped");
    const changes = await checkInputs({ inputs });
    assertEquals(
      changes.map(({ path, kind }) => [path, kind]),
      [[path("gone"), "missing"], [path("longer"), "size"], [path("flipped"), "content"]],
    );
    assertEquals(describeChange(changes[0]), `${path("gone")}: no such file any more`);
    assertEquals(describeChange(changes[1]), `${path("longer")}: 18 bytes, the run read 17`);
    assertEquals(
      describeChange(changes[2]),
      `${path("flipped")}: the same size, another content (SHA-256 ${
        (await digestFile(path("flipped"))).sha256
      }, the run read ${inputs[4].sha256})`,
    );
    const directory = { inputs: [{ ...inputs[0], path: folder, bytes: (await Deno.stat(folder)).size }] };
    await assertRejects(() => checkInputs(directory), PareError, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
