/** Globs against the definition, and globs that are made to take long. */
import { assert, assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { parseGlob } from "../../src/stream/glob.ts";

/** The definition: a star is nothing, or a character and a star. */
function isMatch(glob: string, name: string): boolean {
  if (glob === "") return name === "";
  if (glob[0] === "*") return isMatch(glob.slice(1), name) || (name !== "" && isMatch(glob, name.slice(1)));
  return name !== "" && (glob[0] === "?" || glob[0] === name[0]) && isMatch(glob.slice(1), name.slice(1));
}

Deno.test("a glob finds the names that it is, and those that end with it after a dot", () => {
  const text = (...characters: string[]) =>
    fc.array(fc.constantFrom(...characters), { maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text("a", "b", ".", "*", "?"), text("a", "b", "."), (glob, name) => {
      const ends = [...name].flatMap((letter, at) => letter === "." ? [name.slice(at + 1)] : []);
      assertEquals(parseGlob(glob).test(name), [name, ...ends].some((part) => isMatch(glob, part)));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("no glob takes more steps than its length times the name's", () => {
  const name = "model.layers.11.self_attn.q_proj";
  // Any of them has a regular expression at work for longer than anyone waits.
  for (
    const [glob, found] of [
      ["*?".repeat(20) + "x", false],
      ["*?".repeat(20) + "j", true],
      ["?*".repeat(50_000), false],
      ["*l*a*".repeat(30) + "x", false],
      ["*".repeat(100_000), true],
      [`${"*.".repeat(4)}*${"*".repeat(1000)}!`, false],
    ] as const
  ) {
    let steps = 0;
    // Counts how often a character of the name is looked at.
    const watched = new Proxy(new String(name), {
      get: (target, key) => {
        if (typeof key === "string" && /^\d+$/.test(key)) steps++;
        return Reflect.get(target, key);
      },
    }) as string;
    assertEquals(parseGlob(glob).test(watched), found, glob.slice(0, 20));
    assert(steps <= 2 * (glob.length + 2) * name.length, `${glob.slice(0, 20)}: ${steps} steps`);
  }
});
