/** Progress on terminals of every width, and as numbers for a program. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { measure, type Measured, progressBar, progressLine } from "../../src/cli/progress.ts";
import { type Position, Terminal } from "../../src/cli/terminal.ts";

const MIB = 2 ** 20;
const position: Position = {
  label: "block 12 of 30",
  short: "12/30",
  detail: "propagate",
  done: 4500,
  total: 10_000,
  unit: "tokens",
};
const measured = measure(position, 4500, 75, 193 * MIB);

/** What must be read at any width: share, time, rate, memory. */
const NUMBERS = ["45 %", "1 min 32 s", "60 tok", "193 MiB"];

Deno.test("the bar shrinks first, then words go, then the bar; the numbers stay", () => {
  const line = "block 12 of 30, propagate: 45 %, 1 min 32 s left, 60 tokens/s, peak memory 193 MiB";
  const few = "45 % 1 min 32 s left 60 tok/s 193 MiB";
  assertEquals(progressLine(measured), line);
  assertEquals(progressBar(measured, 120), `[###########-------------] ${line}`);
  assertEquals(progressBar(measured, 96), `[#####-----] ${line}`);
  assertEquals(progressBar(measured, 80), `[#####-------] block 12 of 30, propagate: ${few}`);
  assertEquals(progressBar(measured, 62), `[##---] block 12 of 30: ${few}`);
  assertEquals(progressBar(measured, 60), `[#####-------] 12/30: ${few}`);
  assertEquals(progressBar(measured, 50), `12/30: ${few}`);
});

Deno.test("at 50 columns and more every number of a long run is there, whatever its label", () => {
  const slow = { label: "wanda+owl 0.7, 128 samples, seed 11: block 80 of 80", short: "80/80", detail: "propagate" };
  const cases: Measured[] = [
    measured,
    measure({ ...position, ...slow }, 4500, 75, 193 * MIB),
    measure({ ...position, label: "tokenizer.json", short: undefined, unit: "bytes" }, 4500, 75, 193 * MIB),
  ];
  for (const each of cases) {
    for (let columns = 50; columns <= 200; columns++) {
      const bar = progressBar(each, columns);
      assert(bar.length < columns, bar);
      for (const number of each.unit === "bytes" ? ["45 %", "1 min 32 s", "60 B/s", "193 MiB"] : NUMBERS) {
        assert(bar.includes(number), `${columns}: ${bar}`);
      }
    }
  }
});

Deno.test("no line is as wide as the terminal, and none fails, at any width and value", () => {
  fc.assert(fc.property(
    fc.nat(300),
    fc.string(),
    fc.nat(1e9),
    fc.nat(1e9),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    (columns, label, done, total, seconds) => {
      const each = measure({ label, done, total: total + 1, unit: "tokens" }, done, seconds, 2 ** 33);
      assert(progressBar(each, columns).length < Math.max(columns, 1));
    },
  ));
});

Deno.test("what is not all is never 100 %", () => {
  assertMatch(progressLine(measure({ ...position, done: 9999 }, 1, 1, MIB)), /: 99 %,/);
  assertMatch(progressLine(measure({ ...position, done: 10_000 }, 1, 1, MIB)), /: 100 %, took/);
});

/** What is written in a style on a terminal, without a clock. */
function written(style: "json" | "none", act: (terminal: Terminal) => void): string {
  let text = "";
  const screen = {
    write: (part: string) => void (text += part),
    terminal: true,
    columns: 80,
    color: true,
    now: () => 0,
  };
  act(new Terminal(screen, style));
  return text;
}

Deno.test("as JSON, notes, progress and errors are an object a line, on a terminal too", () => {
  const text = written("json", (terminal) => {
    terminal.note("backend: wasm");
    terminal.progress(position, 193 * MIB);
    terminal.progress({ ...position, done: 4600 }, 193 * MIB); // too soon
    terminal.progress({ ...position, label: "block 13 of 30", done: 4700 }, 193 * MIB);
    terminal.error("no\nspace", 2);
  });
  assertEquals(text.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    { note: "backend: wasm" },
    { progress: { ...position, seconds: 0, peakBytes: 193 * MIB } },
    { progress: { ...position, label: "block 13 of 30", done: 4700, seconds: 0, peakBytes: 193 * MIB } },
    { error: { message: "no space", code: 2 } },
  ]);
});

Deno.test("without progress there are notes and errors alone", () => {
  const text = written("none", (terminal) => {
    terminal.progress(position);
    terminal.note("backend: wasm");
  });
  assertEquals(text, "backend: wasm\n");
});
