/**
 * `deno task test [paths] [flags of deno test]`: every test, the example in the library's documentation included. The
 * shaders are tested too, so a machine without a usable graphics driver gets a software one first, where that can be
 * done; where it cannot, their tests are skipped and the last lines say so. The very last line is the sum:
 * `N passed, N failed, N skipped`, steps of tests counted as tests.
 */
import { GRAPHICS_ENVIRONMENT } from "../src/cli/run.ts";

/** What is tested when no path is named; documentation is tested where it is the library's face. */
const EVERYTHING = ["tests", "src/mod.ts"];

/** Mesa's software driver (lavapipe) and the loader that finds it, as Debian and Ubuntu name them. */
const DRIVER_PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];

async function spawn(command: string, args: string[], env: Record<string, string> = {}): Promise<number> {
  const child = new Deno.Command(command, { args, env, stdin: "null", stdout: "inherit", stderr: "inherit" }).spawn();
  const { code, signal } = await child.status;
  if (signal) console.error(`\n${command} was ended by ${signal}`);
  return code;
}

/** Asks in a process of its own: one that has once found no driver finds none later either. */
async function hasAdapter(env: Record<string, string>): Promise<boolean> {
  return await spawn(
    Deno.execPath(),
    ["eval", "Deno.exit(await navigator.gpu?.requestAdapter() ? 0 : 1)"],
    env,
  ) === 0;
}

/** True on Debian, Ubuntu and what calls itself like them. */
async function isDebian(): Promise<boolean> {
  const release = await Deno.readTextFile("/etc/os-release").catch(() => "");
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/** Installs a software driver where that is possible without asking for a password; otherwise says what to do. */
async function installDriver(): Promise<void> {
  const packages = DRIVER_PACKAGES.join(" ");
  if (!await isDebian()) {
    console.error("No WebGPU adapter. Install a Vulkan driver: Mesa's software driver (lavapipe) will do.");
  } else if (Deno.uid() !== 0) {
    console.error(`No WebGPU adapter. Install a software driver: sudo apt-get install ${packages}`);
  } else if (!Deno.stdin.isTerminal() || confirm(`No WebGPU adapter. Install ${packages} with apt-get?`)) {
    console.error(`No WebGPU adapter: installing ${packages} with apt-get, to test the shaders in software.`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await spawn("apt-get", ["update", "-qq"], env);
    await spawn("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...DRIVER_PACKAGES], env);
  }
}

/** Sums over the suites of a JUnit report, or nothing if there is no report. */
async function readCounts(path: string): Promise<{ tests: number; failed: number; skipped: number } | undefined> {
  const report = await Deno.readTextFile(path).catch(() => undefined);
  if (!report) return undefined;
  const suites = report.match(/<testsuite .*?>/g) ?? [];
  const sum = (name: string) =>
    suites.reduce((total, suite) => total + Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1]), 0);
  return { tests: sum("tests"), failed: sum("failures") + sum("errors"), skipped: sum("disabled") };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const graphics = Object.fromEntries(
  Object.entries(GRAPHICS_ENVIRONMENT).map(([name, value]) => [name, Deno.env.get(name) ?? value]),
);
let adapter = await hasAdapter(graphics);
if (!adapter) {
  await installDriver();
  adapter = await hasAdapter(graphics);
}

const named = (await Promise.all(Deno.args.map(exists))).some((isPath) => isPath);
const report = await Deno.makeTempFile({ suffix: ".xml" });
const code = await spawn(
  Deno.execPath(),
  ["test", "--allow-all", "--doc", `--junit-path=${report}`, ...Deno.args, ...named ? [] : EVERYTHING],
  { ...graphics, ...adapter ? {} : { PARE_NO_WEBGPU: "1" } },
);
const { tests, failed, skipped } = await readCounts(report) ?? { tests: 0, failed: 0, skipped: 0 };
await Deno.remove(report);
// A file that does not compile or fails outside of a test is in no count.
const failures = code !== 0 ? Math.max(failed, 1) : failed;
if (!adapter) console.error("\nNO WEBGPU ADAPTER: the shaders were not tested. Above is what to install.");
console.log(`\n${tests - failed - skipped} passed, ${failures} failed, ${skipped} skipped`);
Deno.exit(failures > 0 ? 1 : 0);
