/** What a process leaves that was killed after its output had its name is cleared up; what somebody needs is not. */
import { assertEquals, assertThrows } from "@std/assert";
import { reserve, sweep } from "../../src/checkpoint/place.ts";
import { PareError } from "../../src/errors.ts";
import { names, temporary } from "./folders.ts";

Deno.test("a workshop without a model is removed, and one with something to go on with, or in use, stays", () => {
  using folder = temporary();
  const out = `${folder.path}/out`, workshop = `${folder.path}/.out.partial`;
  sweep(out); // nothing there
  assertEquals(names(folder.path), []);
  Deno.mkdirSync(`${workshop}/replaced`, { recursive: true });
  for (const name of ["lock", "journal", "replaced/config.json"]) Deno.writeTextFileSync(`${workshop}/${name}`, "");
  sweep(out);
  assertEquals(names(folder.path), []);
  Deno.mkdirSync(`${workshop}/model`, { recursive: true });
  sweep(out);
  assertEquals(names(folder.path), [".out.partial"]);
  const place = reserve(out, [], false, false);
  Deno.removeSync(`${workshop}/model`);
  sweep(out);
  assertEquals(names(workshop).includes("lock"), true);
  place.abort();
  Deno.mkdirSync(workshop);
  Deno.writeTextFileSync(`${workshop}/photo.jpg`, "");
  assertThrows(() => sweep(out), PareError);
  assertEquals(names(workshop), ["photo.jpg"]);
});
