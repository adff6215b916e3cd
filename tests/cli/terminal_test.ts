/** Progress as a bar and as lines, against a screen that is only written down. */
import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { type Position, type Screen, Terminal, writeAll } from "../../src/cli/terminal.ts";

/** A screen that remembers what was written and whose clock is set by hand. */
class Recorder implements Screen {
  text = "";
  time = 0;
  readonly color = false;
  constructor(readonly terminal: boolean, readonly columns = 200) {}
  write(text: string): void {
    this.text += text;
  }
  now(): number {
    return this.time;
  }
}

/** A pass over four blocks of ten batches of 100 tokens, a batch in 50 ms. */
function pass(screen: Recorder, terminal: Terminal): void {
  for (let batch = 1; batch <= 40; batch++) {
    screen.time += 50;
    const position: Position = {
      label: `block ${Math.ceil(batch / 10)} of 4`,
      detail: "observe",
      done: batch * 100,
      total: 4000,
      unit: "tokens",
    };
    terminal.progress(position);
  }
}

Deno.test("a log has one line for each block and one for the end", () => {
  const screen = new Recorder(false);
  pass(screen, new Terminal(screen));
  const lines = screen.text.trimEnd().split("\n");
  assertEquals(lines.map((line) => line.split(":")[0]), [
    "block 1 of 4, observe",
    "block 2 of 4, observe",
    "block 3 of 4, observe",
    "block 4 of 4, observe",
    "block 4 of 4, observe",
  ]);
});

Deno.test("a line has the share done, the time left, the rate and the peak memory", () => {
  const screen = new Recorder(false);
  pass(screen, new Terminal(screen));
  // 29 batches of 50 ms are left after the eleventh, at 100 tokens in 50 ms.
  assertMatch(
    screen.text.split("\n")[1],
    /^block 2 of 4, observe: 28 %, 1\.45 s left, 2,000 tokens\/s, peak memory [\d.]+ [MG]iB$/,
  );
  assertStringIncludes(screen.text, "block 4 of 4, observe: 100 %, took 1.95 s, 2,000 tokens/s");
});

Deno.test("a block that takes long is heard of every ten seconds", () => {
  const screen = new Recorder(false), terminal = new Terminal(screen);
  for (let second = 0; second < 30; second++) {
    screen.time = second * 1000;
    terminal.progress({ label: "block 1 of 1", done: second, total: 60, unit: "tokens" });
  }
  assertEquals(screen.text.trimEnd().split("\n").length, 3);
});

Deno.test("on a terminal one line is redrawn, at most ten times a second, and left standing at the end", () => {
  const screen = new Recorder(true);
  pass(screen, new Terminal(screen));
  const drawn = screen.text.split("\r\x1b[K");
  assertEquals(drawn.length, 21);
  assertMatch(drawn[10], /^\[#{13}-{11}\] block 3 of 4, observe: 53 %/);
  assertEquals(screen.text.match(/\n/g)?.length, 1);
  assertEquals(screen.text.endsWith("\n"), true);
});

Deno.test("a bar never wraps", () => {
  const screen = new Recorder(true, 40);
  pass(screen, new Terminal(screen));
  for (const drawn of screen.text.trimEnd().split("\r\x1b[K")) assertEquals(drawn.length < 40, true, drawn);
});

Deno.test("a note stands above the bar", () => {
  const screen = new Recorder(true), terminal = new Terminal(screen);
  terminal.progress({ label: "block 1 of 2", done: 1, total: 2, unit: "tokens" });
  const [bar] = screen.text.split("\n");
  terminal.note("a shard is slow");
  assertEquals(screen.text, `${bar}\r\x1b[Ka shard is slow\n${bar}`);
});

Deno.test("an error is one line below the bar, whatever its message", () => {
  const screen = new Recorder(true), terminal = new Terminal(screen);
  terminal.progress({ label: "block 1 of 2", done: 1, total: 2, unit: "tokens" });
  const before = screen.text;
  terminal.error("first\n  second");
  assertEquals(screen.text, `${before}\nerror: first second\n`);
});

Deno.test("a terminal that was closed and a pipe that nobody reads swallow a note; a disk that fails does not", () => {
  const failing = (error: Error) => ({
    writeSync: (): number => {
      throw error;
    },
  });
  const gone = new Deno.errors.BrokenPipe(), closed = Object.assign(new Error("Input/output error"), { code: "EIO" });
  writeAll(failing(gone), "result");
  writeAll(failing(closed), "note", true);
  assertThrows(() => writeAll(failing(closed), "result"), Error, "Input/output error");
});
