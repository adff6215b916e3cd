/** The work in a sandbox ends with its launcher, however that ends and whatever the work is busy with. */
import { assert, assertEquals } from "@std/assert";

/** Seconds after which a process that should end is taken for an orphan; a sound one takes milliseconds. */
const PATIENCE = 60;

/** Signals to a launcher in turn, each after the answer to the one before, and how it must end. */
const ENDS: readonly (readonly [Deno.Signal[], number])[] = [
  [["SIGKILL"], 137],
  [["SIGTERM", "SIGTERM"], 143],
  [["SIGINT", "SIGINT"], 130],
  [["SIGHUP", "SIGTERM"], 129],
];

for (const [signals, code] of ENDS) {
  Deno.test({
    name: `work that never rests ends with a launcher that is ended by ${signals[0]}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const program = new URL("busy.ts", import.meta.url).pathname;
      const args = ["run", "--quiet", "--allow-all", program];
      const launcher = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "null", stderr: "piped" })
        .spawn();
      let said = "", sent = 0, work: number | undefined, late = false;
      // Both processes hold this pipe: it ends when the last of them has.
      const alarm = setTimeout(() => {
        late = true;
        if (work) Deno.kill(work, "SIGKILL");
      }, PATIENCE * 1000);
      for await (const text of launcher.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        work ??= Number(/busy (\d+)\n/.exec(said)?.[1]) || undefined;
        const answers = said.split("\n").length - 1;
        if (work && sent < signals.length && answers > sent) launcher.kill(signals[sent++]);
      }
      clearTimeout(alarm);
      assert(!late, `the work lived on: ${said}`);
      assertEquals((await launcher.status).code, code, said);
    },
  });
}
