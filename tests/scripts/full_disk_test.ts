/**
 * A disk that takes no more, in the middle of a run: one line, exit code 2, nothing left. Where a file system may be
 * mounted it is a full one of its own; everywhere else a process may be forbidden to write a file beyond a length,
 * which the system refuses at the same place.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { names, temporary } from "../checkpoint/folders.ts";
import { randomTokens, writeTokens } from "../stream/random_model.ts";
import { AUSTEN, type Ended, ROOT, run } from "./commands.ts";

/** Less than the 1.4 MB of Austen-700K and the 0.8 MB of the hidden states below; in KiB, as `ulimit` and `mount` count. */
const ROOM_KIB = 512;

/** A small disk, and how to run a command on it. */
interface Disk extends Disposable {
  readonly path: string;
  run(...args: string[]): Promise<Ended>;
}

function mounted(path: string): Disk | undefined {
  const system = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, stderr: "null" }).outputSync().success;
  try {
    if (!system("mount", "-t", "tmpfs", "-o", `size=${ROOM_KIB}k`, "tmpfs", path)) return undefined;
  } catch {
    return undefined; // no such command on this system
  }
  return { path, run: (...args) => run("prune", ...args), [Symbol.dispose]: () => void system("umount", path) };
}

function limited(path: string): Disk {
  return {
    path,
    async run(...args) {
      // The signal of a file that grows too long would end the process; ignored, the write fails instead.
      const script = `trap "" XFSZ; ulimit -f ${ROOM_KIB}; exec "$@"`;
      const deno = [Deno.execPath(), "run", "--quiet", "--allow-all", `${ROOT}scripts/prune.ts`];
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: ["-c", script, "bash", ...deno, ...args],
        env: { NO_COLOR: "1" },
        stdin: "null",
      }).output();
      return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
    },
    [Symbol.dispose]: () => {},
  };
}

const FULL = /the disk is full|the file would be larger than the system allows/;
const FULL_SPOOL = /No space left on device|File too large/;

for (
  const [kind, open] of [["small", (path: string) => mounted(path) ?? limited(path)], ["limited", limited]] as const
) {
  /** Runs a prune that must fail, on a disk of its own, and gives its error. */
  const fails = async (...flags: string[]): Promise<string> => {
    using folder = temporary();
    const tokens = `${folder.path}/tokens.safetensors`, place = `${folder.path}/disk`;
    await writeTokens(tokens, "calibration", randomTokens(16, 128, 1024));
    Deno.mkdirSync(place);
    using disk = open(place);
    const given = ["--model", AUSTEN, "--calibration", tokens, "--backend", "wasm"];
    const { code, out, err } = await disk.run(...given, ...flags.map((flag) => flag.replace("DISK", place)));
    const last = err.trimEnd().split("\n").at(-1)!;
    assertEquals([code, out, names(place)], [2, "", []], err);
    assert(!/^\s+at /m.test(err), err);
    return last.replace(place, "DISK");
  };

  Deno.test(`a ${kind} disk that is full while the model is written`, async () => {
    assertMatch(
      await fails("--out", "DISK/new/out"),
      new RegExp(`^error: cannot write DISK/new/out: (${FULL.source})$`),
    );
  });

  Deno.test(`a ${kind} disk that is full while hidden states are spooled`, async () => {
    const elsewhere = temporary();
    using _ = elsewhere;
    const error = await fails("--spool", "DISK", "--out", `${elsewhere.path}/out`);
    assertMatch(error, new RegExp(`^error: DISK/\\S+: cannot spool the hidden states: .*(${FULL_SPOOL.source})`));
    assertEquals(names(elsewhere.path), []);
  });
}
