/** Tables line up. */
import { assertEquals } from "@std/assert";
import { table } from "../../src/cli/table.ts";

Deno.test("words stand to the left, numbers to the right, no line ends in blanks", () => {
  assertEquals(
    table(["linear", "zeros", "of", "pattern"], [["q_proj", "12", "1,024", "2:4 "], ["down_proj", "-", "7", "no"]]),
    [
      "linear     zeros     of  pattern",
      "---------  -----  -----  -------",
      "q_proj        12  1,024  2:4",
      "down_proj      -      7  no",
    ].join("\n"),
  );
});
