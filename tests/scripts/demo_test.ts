/** The demo is the whole pipeline: three models scored, two of them written, two paragraphs. */
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { names, temporary } from "../checkpoint/folders.ts";
import { AUSTEN, run, runJson, start } from "./commands.ts";

Deno.test("the demo prunes, writes and scores: Wanda costs less than magnitude, and both cost something", async () => {
  using folder = temporary();
  const { out, seqlen, results, seconds } = await runJson("demo", "--backend", "wasm", "--out", folder.path);
  assertEquals([out, seqlen, Object.keys(results)], [folder.path, 256, ["dense", "magnitude", "wanda"]]);
  const { dense, magnitude, wanda } = results;
  assertLess(dense.perplexity, wanda.perplexity);
  assertLess(wanda.perplexity, magnitude.perplexity);
  assertEquals([dense.sparsity, wanda.sparsity], [0, 0.5]);
  for (const { paragraph, windows } of [dense, wanda]) {
    assert(paragraph.startsWith("Anne had never been more") && paragraph.length > 200, paragraph);
    assertGreater(windows, 10);
  }
  assertEquals(names(folder.path), ["austen-magnitude-0.5", "austen-wanda-0.5"]);
  for (const model of names(folder.path)) assertEquals(names(`${folder.path}/${model}`), names(AUSTEN));
  assertGreater(seconds, 0);
});

Deno.test("a demo that cannot write says so in one line", async () => {
  const { code, out, err } = await run("demo", "--backend", "wasm", "--out", "/proc/pare");
  assertEquals([code, out], [2, ""]);
  assertMatch(err, /^error: cannot write \/proc\/pare\/austen-magnitude-0\.5: no such file or directory$/m);
});

Deno.test("a demo that is interrupted leaves no model behind", async () => {
  using folder = temporary();
  const child = start("demo", "--backend", "wasm", "--out", `${folder.path}/out`);
  const stdout = new Response(child.stdout).text(), reader = child.stderr.pipeThrough(new TextDecoderStream());
  let err = "";
  for await (const text of reader) {
    err += text;
    if (err.includes("pruning Austen-700K: magnitude") && !err.includes("SIGINT")) child.kill("SIGINT");
  }
  assertEquals([(await child.status).code, await stdout, names(folder.path)], [130, "", []], err);
});
