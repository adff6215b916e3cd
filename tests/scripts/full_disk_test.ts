/**
 * A disk that takes no more, in the middle of a run: one line, exit code 2, and nothing left but finished blocks, which
 * `--resume` goes on with. Where a file system may be
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
  /** Makes room. */
  grow(): void;
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
  return {
    run: (...args) => run("prune", ...args),
    grow: () => void system("mount", "-o", "remount,size=8m", path),
    [Symbol.dispose]: () => void system("umount", path),
  };
}

function limited(): Disk {
  let room = `${ROOM_KIB}`;
  return {
    grow: () => room = "unlimited",
    async run(...args) {
      // The signal of a file that grows too long would end the process; ignored, the write fails instead.
      const script = `trap "" XFSZ; ulimit -f ${room}; exec "$@"`;
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

for (const [kind, open] of [["small", (path: string) => mounted(path) ?? limited()], ["limited", limited]] as const) {
  /** Runs a prune that must fail, on a disk of its own; gives its error, and the disk to `then`. */
  const fails = async (
    flags: readonly string[],
    then: (disk: Disk, place: string, flags: readonly string[]) => Promise<void> | void,
  ): Promise<string> => {
    using folder = temporary();
    const tokens = `${folder.path}/tokens.safetensors`, place = `${folder.path}/disk`;
    await writeTokens(tokens, "calibration", randomTokens(16, 128, 1024));
    Deno.mkdirSync(place);
    using disk = open(place);
    const given = ["--model", AUSTEN, "--calibration", tokens, "--backend", "wasm", "--runs", "none"];
    given.push(...flags.map((flag) => flag.replace("DISK", place)));
    const { code, out, err } = await disk.run(...given);
    assertEquals([code, out], [2, ""], err);
    assert(!/^\s+at /m.test(err), err);
    await then(disk, place, given);
    return err.trimEnd().split("\n").at(-1)!.replace(place, "DISK");
  };

  Deno.test(`a ${kind} disk that is full while the model is written: finished blocks stay for --resume`, async () => {
    const error = await fails(["--out", "DISK/new/out"], async (disk, place, flags) => {
      assertEquals(names(`${place}/new`), [".out.partial"]);
      disk.grow();
      const { code, out, err } = await disk.run(...flags, "--resume", "--json");
      assertEquals([code, names(`${place}/new`)], [0, ["out"]], err);
      assert(JSON.parse(out).resumed > 0);
      const resumed = Deno.readFileSync(`${place}/new/out/model.safetensors`);
      assertEquals((await disk.run(...flags, "--force")).code, 0);
      assertEquals(Deno.readFileSync(`${place}/new/out/model.safetensors`), resumed);
    });
    const full = new RegExp(
      `^error: cannot write DISK/new/out: (${FULL.source}); --resume goes on with \\d+ finished steps?$`,
    );
    assertMatch(error, full);
  });

  Deno.test(`a ${kind} disk that is full while hidden states are spooled`, async () => {
    using elsewhere = temporary();
    const flags = ["--spool", "DISK", "--out", `${elsewhere.path}/out`];
    const error = await fails(flags, (_, place) => assertEquals(names(place), []));
    assertMatch(error, new RegExp(`^error: DISK/\\S+: cannot spool the hidden states: .*(${FULL_SPOOL.source})`));
    assertEquals(names(elsewhere.path), []);
  });
}
