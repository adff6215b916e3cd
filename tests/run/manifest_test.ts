/** Manifests: they survive their file, their plan cannot be changed unseen, and an input that changed is told, and how. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { digestFile } from "../../src/run/digest.ts";
import {
  checkFiles,
  describeChange,
  makeManifest,
  manifestText,
  parseManifest,
  publicManifest,
} from "../../src/run/manifest.ts";
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
    assertEquals(await checkFiles(inputs), []);

    await Deno.utime(path("touched"), 0, 0);
    await Deno.remove(path("gone"));
    await Deno.writeTextFile(path("longer"), "!", { append: true });
    await Deno.writeTextFile(path("flipped"), "content of Flipped");
    const changes = await checkFiles(inputs);
    assertEquals(
      changes.map(({ path, kind }) => [path, kind]),
      [[path("gone"), "missing"], [path("longer"), "size"], [path("flipped"), "content"]],
    );
    assertEquals(describeChange(changes[0]), `${path("gone")}: no such file any more`);
    assertEquals(describeChange(changes[1]), `${path("longer")}: 18 bytes, the run read 17`);
    // What a file that a manifest names holds is told to nobody.
    assertEquals(describeChange(changes[2]), `${path("flipped")}: the same size, another content`);
    const directory = [{ ...inputs[0], path: folder, bytes: (await Deno.stat(folder)).size }];
    await assertRejects(() => checkFiles(directory), PareError, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an input that is no regular file is refused before a byte of it is read: a device never ends, a pipe waits", async () => {
  const sha256 = "00".repeat(32);
  for (const path of ["/dev/zero", "/dev/stdin", "/tmp"]) {
    for (const bytes of [0, Deno.statSync(path).size]) {
      await assertRejects(
        () => checkFiles([{ path, bytes, sha256 }]),
        PareError,
        `${path}: it is not a regular`,
      );
    }
    await assertRejects(() => digestFile(path), PareError, `cannot read ${path}: it is not a regular file`);
  }
});

Deno.test("a file of another size than recorded is not read at all", async () => {
  let read = 0;
  const inputs = [{ path: new URL(import.meta.url).pathname, bytes: 3, sha256: "00".repeat(32) }];
  assertEquals((await checkFiles(inputs, () => read++)).map(({ kind }) => kind), ["size"]);
  assertEquals(read, 0);
});

Deno.test("a manifest that travels tells names and Hub ids, and no place on the machine where it was made", () => {
  const own = make({
    directory: "/home/ann/work",
    args: [
      ...[
        "--model",
        "../models/base",
        "--calibration",
        "c4:/data/c4.json.gz",
        "--out=/srv/out dir/pruned",
        "--runs",
        "./runs.db",
      ],
      ...["--sparsity-map", "C:\\Users\\ann\\map.json", "--include", "*.mlp.*", "--spool", "..", "--pattern", "2:4"],
      ...["--calibration", "/dev/stdin", "--corpus", "c4:validation:/data/c4.json.gz", "--corpus=ptb:test"],
    ],
    inputs: [{ path: "/home/ann/models/base/model.safetensors", bytes: 1, sha256: "00".repeat(32) }],
  });
  const given = publicManifest(own, { name: "base", path: "/home/ann/models/base" });
  assertEquals(
    given.args.join(" "),
    "--model base --calibration c4:c4.json.gz --out=pruned --runs runs.db " +
      "--sparsity-map map.json --include *.mlp.* --spool .. --pattern 2:4 --calibration /dev/stdin " +
      "--corpus c4:validation:c4.json.gz --corpus=ptb:test",
  );
  assertEquals([given.directory, given.inputs[0].path], [undefined, "model.safetensors"]);
  assertEquals(parseManifest(manifestText(given), "m.json"), given);
  const snapshot = "/home/ann/.cache/huggingface/hub/models--org--base/snapshots/0123";
  for (const model of ["org/base", snapshot, "../.cache/huggingface/hub/models--org--base/snapshots/0123/"]) {
    const { args } = publicManifest({ ...own, args: ["--model", model] }, { name: "org/base", path: snapshot });
    assertEquals(args, ["--model", "org/base"]);
  }
  assertEquals(publicManifest({ ...own, args: ["--model", "."] }, { name: "work", path: "." }).args, [
    "--model",
    "work",
  ]);
});

Deno.test("what a manifest says was written are names of files beside it", () => {
  for (const path of ["../secret", "/etc/passwd", "a/b", "..", "."]) {
    const outputs = [{ path, bytes: 1, sha256: "00".repeat(32) }];
    assertThrows(
      () => parseManifest(manifestText(make({ outputs })), "m.json"),
      PareError,
      "m.json: not a manifest: outputs.0.path: ",
    );
  }
});
