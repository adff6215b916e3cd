/** What shells complete: bash is asked, the scripts of the others are read. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands.ts";
import { completions } from "../../src/cli/completions.ts";
import { SHELLS } from "../../src/cli/completions_command.ts";
import { spelling } from "../../src/cli/flags.ts";

/** What bash offers for each line, whose last word is the one at the cursor. */
async function ask(folder: string, lines: readonly string[]): Promise<string[]> {
  const words = (line: string) => line.split(" ").map((word) => `'${word}'`).join(" ");
  const asks = lines.map((line) =>
    `COMP_WORDS=(${words(line)}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _pare; echo "\${COMPREPLY[*]}"`
  );
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", [completions("bash", COMMANDS), ...asks].join("\n")],
    cwd: folder,
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout).slice(0, -1).split("\n");
}

Deno.test("bash completes commands, those of a group, flags, words and paths", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare-complete-" });
  try {
    for (const name of ["samples.txt", "sparse"]) await Deno.mkdir(`${folder}/${name}`);
    const cases = {
      "pare pr": "prune",
      "pare ":
        "prune finetune eval compare generate inspect pack unpack verify sweep collect runs serve chat-server demo completions help",
      "pare --v": "--version",
      "pare runs ": "list show name tag note rm",
      "pare runs l": "list",
      "pare help pr": "prune",
      "pare prune --al": "--allocation",
      "pare prune --allocation ": "uniform owl dlp atp",
      "pare prune --allocation = o": "owl",
      "pare prune --backend w": "webgpu wasm",
      "pare prune -b wa": "wasm",
      "pare prune --calibration sa": "sample samples.txt",
      "pare prune -o sp": "sparse",
      "pare prune sp": "sparse",
      "pare prune --samples ": "",
      "pare runs list --status f": "finished failed",
      "pare runs list --progress j": "json",
      "pare completions f": "fish",
      "pare unknown ": "",
    };
    assertEquals(await ask(folder, Object.keys(cases)), Object.values(cases));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("every shell's script knows every command and each of its flags", () => {
  for (const shell of SHELLS) {
    const script = completions(shell, COMMANDS);
    for (const command of COMMANDS) {
      for (const word of command.name.split(" ")) assertStringIncludes(script, word);
      for (const name of Object.keys(command.flags)) {
        const flag = shell === "fish" ? `-l ${spelling(name)}` : `--${spelling(name)}`;
        assertStringIncludes(script, flag);
      }
    }
  }
});

Deno.test("the scripts for zsh and fish keep what is special to them in quotes", () => {
  const zsh = completions("zsh", COMMANDS);
  assert(zsh.startsWith("#compdef pare\n"));
  assertStringIncludes(
    zsh,
    "'--allocation=[The same sparsity for all, or more for blocks with fewer outliers among Wanda'\\''s",
  );
  assertStringIncludes(zsh, ":value:(uniform owl dlp atp)'");
  const fish = completions("fish", COMMANDS);
  assertStringIncludes(fish, "-l allocation -x -a 'uniform owl dlp atp' -d 'The same sparsity");
  assertStringIncludes(fish, "Wanda\\'s scores");
});
