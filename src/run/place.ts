/** Where the registry stands unless `--runs` says otherwise: the folder that the platform keeps for a program's data. */
import { join } from "node:path";

/** What the place depends on. */
export interface Surroundings {
  /** Which platform. */
  readonly os: typeof Deno.build.os;
  /** A variable of the environment. */
  readonly variable: (name: string) => string | undefined;
}

/**
 * The path of the registry: `$XDG_DATA_HOME/pare/runs.db` (by default `~/.local/share`), on macOS
 * `~/Library/Application Support/Pare/runs.db`, on Windows `%LOCALAPPDATA%\Pare\runs.db`. Without a home: in the working
 * directory.
 */
export function defaultRegistry(
  { os, variable }: Surroundings = { os: Deno.build.os, variable: (name) => Deno.env.get(name) },
): string {
  const home = variable(os === "windows" ? "USERPROFILE" : "HOME") || ".";
  switch (os) {
    case "windows":
      return join(variable("LOCALAPPDATA") || join(home, "AppData", "Local"), "Pare", "runs.db");
    case "darwin":
      return join(home, "Library", "Application Support", "Pare", "runs.db");
    default: {
      const data = variable("XDG_DATA_HOME");
      // The specification: "If an implementation encounters a relative path […] it should consider the path invalid".
      return join(data?.startsWith("/") ? data : join(home, ".local", "share"), "pare", "runs.db");
    }
  }
}
