/** `deno task serve`: opens the registry to read, and shows it until it is stopped. */
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import project from "../deno.json" with { type: "json" };
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { serveCommand, type ServeValues } from "../src/cli/serve_command.ts";
import { PareError } from "../src/errors.ts";
import { defaultRegistry } from "../src/run/place.ts";
import { Registry } from "../src/run/registry.ts";
import { PermissionSet } from "./shared/sandbox.ts";
import { createApp } from "../src/server/app.ts";
import { ArrivingRegistry } from "../src/server/arriving.ts";
import { addressOf, openServer, readToken } from "./shared/listening.ts";

/** The flags as they are given, and what the launcher has read: the token stands in a file or in the environment. */
type Given = ServeValues & { readonly token?: string };

/** Says what the server may touch: Pare's own files, the registry, one address. */
function enter(given: Given) {
  const { host, port } = given, runs = given.runs ?? defaultRegistry(), allowed = new PermissionSet();
  // A registry comes with the first run, its folder does not: who names another one has made a mistake in writing.
  if (given.runs !== undefined && !isDirectory(dirname(resolve(runs)))) {
    throw new PareError(`--runs ${runs}: there is no folder ${dirname(resolve(runs))}`);
  }
  try {
    // Brings one of an older Pare up to date, which the server itself may not.
    Registry.open(runs, { mode: "read" })[Symbol.dispose]();
  } catch (error) {
    // None yet, or a damaged one: the server begins all the same, and says so.
    if (!(error instanceof PareError)) throw error;
  }
  allowed.readRegistry(runs);
  const net = [addressOf(host, port)];
  return Promise.resolve({
    values: { ...given, runs, token: readToken(given) },
    permissions: { ...allowed.permissions, net },
  });
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** The server itself, in its sandbox. */
export async function main(values: Given, { terminal, signal }: Context): Promise<Outcome> {
  const path = values.runs!;
  using registry = new ArrivingRegistry(path);
  const begun = registry.there;
  const { allowHost: hosts, allowOrigin: origins, token } = values;
  const app = createApp({ source: registry, version: project.version, token, hosts, origins });
  await using listening = await openServer(app, values);
  const address = `http://${addressOf(listening.hostname, listening.port)}/`;
  const notes = [...begun ? [] : ["no run is recorded there yet"], ...token ? [] : ["only this machine can see it"]];
  terminal.note([`${address} shows ${path}`, ...notes].join("; "));
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return { text: `${address} is closed`, json: { address } };
}

/** What `pare serve` runs. */
export const program = [serveCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
