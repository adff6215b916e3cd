/** Benchmarks from a Hub on loopback: fetched once, then used without it. */
import { assertEquals, assertRejects } from "@std/assert";
import { parquetWriteBuffer } from "hyparquet-writer";
import { PareError } from "../../src/errors.ts";
import { AUSTEN } from "../scripts/commands.ts";
import { IN_PROCESS } from "../scripts/in_process.ts";
import { COMMIT, type FakeHub, withHub } from "./fake_hub.ts";

/** Puts a split of PIQA on the Hub; labels are integers of 64 bits there. */
function putPiqa(hub: FakeHub, split: string, goals: string[]): void {
  const column = (name: string, data: string[]) => ({ name, data, type: "STRING" as const });
  const file = parquetWriteBuffer({
    columnData: [
      column("goal", goals),
      column("sol1", goals.map((goal) => `one way to ${goal}`)),
      column("sol2", goals.map((goal) => `another way to ${goal}`)),
      { name: "label", data: goals.map((_, i) => BigInt(i % 2)), type: "INT64" },
    ],
  });
  hub.put("datasets/baber/piqa", `default/${split}/0000.parquet`, new Uint8Array(file), true);
}

const piqa = (...flags: string[]) =>
  IN_PROCESS.eval("--model", AUSTEN, "--backend", "wasm", "--tasks", "piqa", ...flags);

Deno.test("a benchmark and its examples are fetched as parquet from the Hub's own branch, once", () =>
  withHub(async (hub, home) => {
    putPiqa(hub, "validation", ["read", "write", "walk"]);
    putPiqa(hub, "train", ["sing", "dance", "sew", "ride"]);
    const first = await piqa("--shots", "2");
    const folder = `${home}/hub/datasets--baber--piqa`;
    assertEquals(await Deno.readTextFile(`${folder}/refs/refs/convert/parquet`), COMMIT);
    assertEquals(
      (first.json.files as { path: string }[]).map(({ path }) => path),
      ["validation", "train"].map((split) => `${folder}/snapshots/${COMMIT}/default/${split}/0000.parquet`),
    );
    await hub[Symbol.asyncDispose]();
    const again = await piqa("--shots", "2", "--force");
    assertEquals(again.json.results, first.json.results);
    assertEquals(again.json.files, first.json.files);
    const { json: { identical } } = await IN_PROCESS.verify(String(again.json.run));
    assertEquals(identical, true);
  }));

Deno.test("a data set that the Hub has changed since a run read it is refused: no figure of it stands beside the old ones", () =>
  withHub(async (hub, home) => {
    const runs = ["--runs", `${home}/runs.db`];
    putPiqa(hub, "validation", ["read", "write"]);
    const { json: { run } } = await piqa(...runs);
    putPiqa(hub, "validation", ["read", "wrote"]);
    // What is cached is not asked for anew.
    assertEquals((await piqa(...runs)).json.done, true);
    await Deno.remove(`${home}/hub/datasets--baber--piqa`, { recursive: true });
    await assertRejects(() => piqa(...runs), PareError, `was what run ${run} read`);
    assertEquals((await piqa(...runs, "--force")).json.done, undefined);
  }));

Deno.test("without examples no training split is asked for, and what the Hub does not have is an error", () =>
  withHub(async (hub) => {
    putPiqa(hub, "validation", ["read"]);
    await piqa();
    await assertRejects(
      () => piqa("--shots", "1"),
      PareError,
      "data set baber/piqa on the Hub has no file default/train/0000.parquet",
    );
  }));
