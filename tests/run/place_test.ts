/** Where the registry stands: the folders that the platforms name for it. */
import { assertEquals } from "@std/assert";
import { defaultRegistry } from "../../src/run/place.ts";

/** The place with these variables. */
const place = (os: typeof Deno.build.os, variables: Record<string, string>) =>
  defaultRegistry({ os, variable: (name) => variables[name] });

Deno.test("on Linux the XDG base directory specification decides", () => {
  assertEquals(place("linux", { HOME: "/home/ada" }), "/home/ada/.local/share/pare/runs.db");
  assertEquals(place("linux", { HOME: "/home/ada", XDG_DATA_HOME: "/data" }), "/data/pare/runs.db");
  assertEquals(place("linux", { HOME: "/home/ada", XDG_DATA_HOME: "" }), "/home/ada/.local/share/pare/runs.db");
  assertEquals(place("linux", { HOME: "/home/ada", XDG_DATA_HOME: "data" }), "/home/ada/.local/share/pare/runs.db");
  assertEquals(place("freebsd", { HOME: "/home/ada" }), "/home/ada/.local/share/pare/runs.db");
});

Deno.test("on macOS it is the user's Application Support", () => {
  assertEquals(place("darwin", { HOME: "/Users/ada" }), "/Users/ada/Library/Application Support/Pare/runs.db");
});

Deno.test({
  name: "on Windows it is the local application data",
  fn: () => {
    const slashes = (path: string) => path.replaceAll("\\", "/");
    assertEquals(slashes(place("windows", { LOCALAPPDATA: "C:\\Local" })), "C:/Local/Pare/runs.db");
    assertEquals(slashes(place("windows", { USERPROFILE: "C:\\ada" })), "C:/ada/AppData/Local/Pare/runs.db");
  },
});
