/**
 * `deno task test [paths] [flags of deno test]`: every test, the example in the library's documentation included. The
 * shaders are tested too, so a machine without a usable graphics driver gets a software one first, where that can be
 * done; where it cannot, their tests are skipped and the last lines say so. Where no path is named two processes share
 * the tests, one file at a time each. The last lines say which tests took longest, and the very last is the sum:
 * `N passed, N failed, N skipped`, steps of tests counted as tests.
 */
import { resolve } from "node:path";
import { joinReports, readReport, type Report, slowest } from "./test/report.ts";
import { GRAPHICS_ENVIRONMENT } from "../src/cli/run.ts";
import { insteadOf, UNSEEN } from "../src/errors.ts";

/**
 * Folders of tests that mostly compute; all other tests mostly wait, for commands, connections and a browser. Each half
 * is run by a process of its own, since some tests set their process's environment or working directory.
 */
const COMPUTING = ["backend", "contract", "golden", "method", "stream"].map((folder) => `tests/${folder}`);

/** Documentation is tested where it is the library's face. */
const DOCUMENTED = "src/mod.ts";

/** How many of the slowest tests are named. */
const SLOWEST = 10;

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
  const release = await Deno.readTextFile("/etc/os-release").catch(insteadOf(UNSEEN, ""));
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

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, insteadOf(UNSEEN, false));
}

const args = await userArgs();
const graphics = Object.fromEntries(
  Object.entries(GRAPHICS_ENVIRONMENT).map(([name, value]) => [name, Deno.env.get(name) ?? value]),
);
let adapter = await hasAdapter(graphics);
if (!adapter) {
  await installDriver();
  adapter = await hasAdapter(graphics);
}

/**
 * The arguments, paths relative to where the user stands: `deno task` has gone to its own folder. What the tests start is
 * not started from there.
 */
async function userArgs(): Promise<string[]> {
  const there = Deno.env.get("INIT_CWD") ?? ".";
  Deno.env.delete("INIT_CWD");
  const place = async (arg: string) => await exists(resolve(there, arg)) ? resolve(there, arg) : arg;
  return await Promise.all(Deno.args.map((arg) => arg.startsWith("-") ? arg : place(arg)));
}

/** What each process is to test: the named paths, or a half of everything. */
async function shares(): Promise<string[][]> {
  if ((await Promise.all(args.map(exists))).some((isPath) => isPath)) return [[]];
  const folders = [...Deno.readDirSync("tests")].map(({ name }) => `tests/${name}`);
  return [[...folders.filter((folder) => !COMPUTING.includes(folder)).sort(), DOCUMENTED], COMPUTING];
}

/** Runs `deno test` on a share; what the first says is shown at once, what another says when that is `over`. */
async function test(share: readonly string[], over?: Promise<unknown>): Promise<Report> {
  const path = await Deno.makeTempFile({ suffix: ".xml" }), out = over ? "piped" : "inherit";
  const asked = ["test", "--allow-all", "--doc", `--junit-path=${path}`, ...args, ...share];
  const env = { ...graphics, ...adapter ? {} : { PARE_NO_WEBGPU: "1" } };
  const child = new Deno.Command(Deno.execPath(), { args: asked, env, stdin: "null", stdout: out, stderr: out })
    .spawn();
  let code: number;
  if (over) {
    const { stdout, stderr, ...status } = await child.output();
    await over;
    for (const bytes of [stdout, stderr]) await write(bytes);
    code = status.code;
  } else code = (await child.status).code;
  const report = readReport(await Deno.readTextFile(path));
  await Deno.remove(path);
  // A file that does not compile or fails outside of a test is in no count.
  return code === 0 ? report : { ...report, failed: Math.max(report.failed, 1) };
}

/** Writes all of it to stdout. */
async function write(bytes: Uint8Array): Promise<void> {
  while (bytes.length) bytes = bytes.subarray(await Deno.stdout.write(bytes));
}

const [first, ...others] = await shares(), running = test(first);
const report = joinReports(await Promise.all([running, ...others.map((share) => test(share, running))]));
const { tests, failed, skipped } = report;
if (!adapter) console.error("\nNO WEBGPU ADAPTER: the shaders were not tested. Above is what to install.");
console.log(`\n${slowest(report, SLOWEST)}`);
console.log(`\n${tests - failed - skipped} passed, ${failed} failed, ${skipped} skipped`);
Deno.exit(failed > 0 ? 1 : 0);
