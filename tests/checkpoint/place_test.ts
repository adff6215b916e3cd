/** Places of several outputs in one folder: processes that begin at once, and what one of them undoes. */
import { assertEquals, assertThrows } from "@std/assert";
import { reserve, tryPlace } from "../../src/checkpoint/place.ts";
import { PareError } from "../../src/errors.ts";
import { names, temporary } from "./folders.ts";

const TRIER = new URL("place_trier.ts", import.meta.url).pathname;

Deno.test("processes that try places in a folder that is not there do not see each other's tries", async () => {
  using folder = temporary();
  const parent = `${folder.path}/pruned`;
  const tried = await Promise.all(["a", "b", "c"].map(async (name) => {
    const args = ["run", "--quiet", "-A", "--no-check", TRIER, `${parent}/model/${name}`, "300"];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  }));
  assertEquals(tried, [[parent], [parent], [parent]]);
  assertEquals(names(folder.path), []);
});

Deno.test("a place that cannot be had is known by the try, in parents that are missing too, and leaves nothing", () => {
  using folder = temporary();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  for (const out of ["file/x", "file/x/y", `${"n".repeat(300)}/x`, `new/${"n".repeat(300)}`]) {
    assertThrows(() => tryPlace(`${folder.path}/${out}`, [], "empty"), PareError, "cannot write");
  }
  assertEquals(names(folder.path), ["file"]);
});

Deno.test("parents that an output was the first in go with it, unless another output stands there by then", () => {
  using folder = temporary();
  const [one, other] = ["one", "other"].map((name) => `${folder.path}/pruned/model/${name}`);
  const first = reserve(one, [], false, false), second = reserve(other, [], false, false);
  first.abort();
  assertEquals(names(`${folder.path}/pruned/model`), [".other.partial"]);
  second.abort();
  reserve(`${folder.path}/new/one`, [], false, false).abort();
  assertEquals(names(folder.path), ["pruned"]);
});
