/**
 * `deno task test [paths] [flags of deno test]`: every test, the example in the library's documentation included. The
 * shaders are tested too, so a machine without a usable graphics driver gets a software one first, where that can be
 * done; where it cannot, their tests are skipped and the last lines say so. Where no path is named five processes at a time
 * share the files, a few each, and what they say is shown when they are done. The last lines name what failed and which
 * tests took longest, and the very last is the sum: `N passed, N failed, N skipped`, steps of tests counted as tests.
 * Types are checked by `deno task check`.
 */
import { resolve } from "node:path";
import { deal, share, testFiles } from "./test/files.ts";
import { failedOutside, failures, joinReports, readReport, type Report, slowest } from "./test/report.ts";
import { GRAPHICS_ENVIRONMENT } from "../src/cli/run.ts";
import { insteadOf, UNSEEN } from "../src/errors.ts";

/**
 * Tests at a time: most wait now and then, for a command, a connection or a browser, and compute on all cores otherwise. Four
 * left a sixth of two cores idle (Zen 5); each holds 1.1 GB at most.
 */
const PROCESSES = 5;

/** Documentation is tested where it is the library's face. */
const DOCUMENTED = "src/mod.ts";

/**
 * Where processes share the cores, Mesa's software driver computes in the thread that asks: handing small shaders to
 * threads of its own costs a fifth of the contract suite's CPU time (131 s in place of 162, Zen 3).
 */
const ONE_THREAD = { LP_NUM_THREADS: "0" };

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
const named = (await Promise.all(args.map(exists))).some((isPath) => isPath);
const driver = { ...GRAPHICS_ENVIRONMENT, ...named ? {} : ONE_THREAD };
const graphics = Object.fromEntries(
  Object.entries(driver).map(([name, value]) => [name, Deno.env.get(name) ?? value]),
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

/**
 * Runs `deno test` on files, or on what the arguments name. What it says of files is shown when it is done, unless they have
 * no test of the name that is asked for.
 */
async function test(files: readonly string[] = []): Promise<Report> {
  const path = await Deno.makeTempFile({ suffix: ".xml" }), out = files.length ? "piped" : "inherit";
  const asked = ["test", "--allow-all", "--no-check", "--doc", `--junit-path=${path}`, ...args, ...files];
  const env = { ...graphics, ...adapter ? {} : { PARE_NO_WEBGPU: "1" } };
  const child = new Deno.Command(Deno.execPath(), { args: asked, env, stdin: "null", stdout: out, stderr: out })
    .spawn();
  const said = files.length ? await child.output() : undefined, { code } = await child.status;
  const report = readReport(await Deno.readTextFile(path));
  await Deno.remove(path);
  if (said && (report.tests || code)) {
    for (const bytes of [said.stdout, said.stderr]) await write(bytes);
  }
  // A file that does not compile or fails outside of a test is in no count.
  return code === 0 || report.failed ? report : joinReports([report, failedOutside(files.length ? files : args)]);
}

/** Writes all of it to stdout. */
async function write(bytes: Uint8Array): Promise<void> {
  while (bytes.length) bytes = bytes.subarray(await Deno.stdout.write(bytes));
}

/** The named tests, or all. */
async function run(): Promise<Report> {
  if (named) return await test();
  const files = [...testFiles("tests"), DOCUMENTED];
  console.log(`${files.length} files, ${PROCESSES} processes at a time; what one says is shown when it is done.`);
  return joinReports(await share(deal(files), PROCESSES, test));
}

const report = await run();
const { tests, failed, skipped } = report;
if (!adapter) console.error("\nNO WEBGPU ADAPTER: the shaders were not tested. Above is what to install.");
if (failed) console.log(`\n${failures(report)}`);
console.log(`\n${slowest(report, SLOWEST)}`);
console.log(`\n${tests - failed - skipped} passed, ${failed} failed, ${skipped} skipped`);
Deno.exit(failed > 0 ? 1 : 0);
