/**
 * The rooms of the house as data: where each stands and what it may import. The same table, with what each room is
 * for, is in `.github/CONTRIBUTING.md`; a change to one is a change to both.
 */

/** A part of the source with doors of its own. */
export interface Room {
  readonly name: string;
  /** What its files match; the first room that matches a file has it. */
  readonly files: RegExp;
  /** Rooms that it may import, `name (types)` for their types only. Its own files are always allowed. */
  readonly imports: readonly string[];
}

const EVERYTHING = [
  "cli",
  "checkpoint",
  "model",
  "text",
  "task",
  "method",
  "stream",
  "generate",
  "tune",
  "report",
  "backend",
  "open",
  "passes",
  "run",
  "server",
  "chat",
  "errors",
];

/** Every room of the project, tests apart: those may import anything. */
export const ROOMS: readonly Room[] = [
  { name: "scripts", files: /^scripts\//, imports: ["mod", "project", ...EVERYTHING] },
  // Pare's version.
  { name: "project", files: /^deno\.json$/, imports: [] },
  { name: "mod", files: /^src\/mod\.ts$/, imports: EVERYTHING },
  { name: "errors", files: /^src\/errors\.ts$/, imports: [] },
  { name: "cli", files: /^src\/cli\//, imports: ["errors"] },
  { name: "checkpoint", files: /^src\/checkpoint\//, imports: ["errors", "backend"] },
  { name: "text", files: /^src\/text\//, imports: ["errors", "checkpoint"] },
  { name: "task", files: /^src\/task\//, imports: ["errors", "text", "checkpoint"] },
  { name: "model", files: /^src\/model\//, imports: ["errors", "backend", "checkpoint"] },
  { name: "method", files: /^src\/method\//, imports: ["errors", "backend"] },
  {
    name: "stream",
    files: /^src\/stream\//,
    imports: ["errors", "model", "method", "text", "checkpoint", "backend"],
  },
  {
    name: "generate",
    files: /^src\/generate\//,
    imports: ["errors", "model", "text", "stream", "checkpoint", "backend"],
  },
  {
    name: "tune",
    files: /^src\/tune\//,
    imports: ["errors", "model", "text", "stream", "checkpoint", "backend"],
  },
  // How a number is written is the same wherever Pare writes one: src/cli/units.ts.
  { name: "report", files: /^src\/report\//, imports: ["errors", "cli", "task"] },
  {
    name: "passes",
    files: /^src\/run\/pass\//,
    imports: ["mod", "errors", "checkpoint", "text", "task", "method", "stream", "report", "run"],
  },
  {
    name: "run",
    files: /^src\/run\//,
    imports: ["errors", "checkpoint", "backend (types)", "task", "project"],
  },
  { name: "chat", files: /^src\/chat\//, imports: ["errors", "text", "generate", "server"] },
  { name: "server", files: /^src\/server\//, imports: ["run", "errors"] },
  { name: "webgpu", files: /^src\/backend\/webgpu\//, imports: ["errors", "backend", "wgsl", "wasm"] },
  { name: "wasm", files: /^src\/backend\/wasm\//, imports: ["errors", "backend", "kernels"] },
  { name: "open", files: /^src\/backend\/open\.ts$/, imports: ["errors", "backend", "webgpu", "wasm"] },
  { name: "backend", files: /^src\/backend\/(operations\/)?[^/]+\.ts$/, imports: ["errors"] },
  { name: "wgsl", files: /^wgsl\//, imports: [] },
  { name: "kernels", files: /^kernels\/pkg\//, imports: [] },
];
