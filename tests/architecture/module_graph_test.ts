/** The one rule of the house that a machine keeps: no import that the rooms' table does not have, and no circle. */
import { assertEquals, assertGreater } from "@std/assert";
import { findCycles, findForbidden, findModules, readGraph } from "./graph.ts";
import { ROOMS } from "./rooms.ts";

const ROOT = new URL("../../", import.meta.url);
const graph = await readGraph(ROOT, findModules(ROOT, ["src/", "scripts/"]));

Deno.test("every import is an arrow of the rooms' table", () => {
  assertGreater(graph.length, 0);
  assertEquals(findForbidden(graph, ROOMS), []);
});

Deno.test("no module imports itself by a detour", () => {
  assertEquals(findCycles(graph), []);
});

Deno.test("an arrow that the table does not have is named", () => {
  const arrow = { from: "src/cli/table.ts", to: "src/stream/prune.ts", typesOnly: true };
  assertEquals(findForbidden([arrow], ROOMS), [
    "src/cli/table.ts imports src/stream/prune.ts: cli may import errors",
  ]);
});

Deno.test("a room that may import types may import nothing else", () => {
  const rooms = [{ name: "a", files: /^a\//, imports: ["b (types)"] }, { name: "b", files: /^b\//, imports: [] }];
  const arrow = { from: "a/one.ts", to: "b/two.ts", typesOnly: true };
  assertEquals(findForbidden([arrow], rooms), []);
  assertEquals(findForbidden([{ ...arrow, typesOnly: false }], rooms).length, 1);
});

Deno.test("a file outside of every room is named", () => {
  const arrow = { from: "src/utils.ts", to: "src/errors.ts", typesOnly: false };
  assertEquals(findForbidden([arrow], ROOMS), ["src/utils.ts stands in no room"]);
});

Deno.test("a circle is named with the way round", () => {
  const arrow = (from: string, to: string) => ({ from, to, typesOnly: false });
  assertEquals(findCycles([arrow("a", "b"), arrow("b", "c"), arrow("c", "b"), arrow("a", "c")]), ["b → c → b"]);
});
