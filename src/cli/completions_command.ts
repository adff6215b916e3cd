/** What `pare completions` understands. */
import { choice, required } from "./flags.ts";

/** Shells that `pare completions` writes for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** What `pare completions` understands. */
export const completionsCommand = {
  name: "completions",
  summary: "print what a shell needs to complete commands, flags and values of pare.",
  flags: { shell: required(choice(SHELLS, { help: "Which shell." })) },
  operand: "shell",
  examples: [
    "pare completions bash >> ~/.bashrc",
    'pare completions zsh > "${fpath[1]}/_pare"',
    "pare completions fish > ~/.config/fish/completions/pare.fish",
  ],
} as const;
