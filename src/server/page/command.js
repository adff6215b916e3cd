/** The command line that does a run again, and its way to the clipboard. */
import { make, say } from "./dom.js";

/** An argument as a shell takes it. */
const quote = (argument) => /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

/** The command line of a run. */
export const commandOf = ({ manifest: { plan, args } }) => ["deno task", plan.kind, ...args.map(quote)].join(" ");

/** The command, and a button that copies it; `whose` tells several buttons of a page apart. */
export function makeCommand(run, whose = "") {
  const command = make("code", {}, commandOf(run));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      say("copied");
      button.textContent = "Copied";
    } catch {
      // Without TLS, browsers give the clipboard to localhost alone; what is selected can be copied by hand.
      getSelection().selectAllChildren(command);
      say("selected; copy it with the keyboard");
    }
  };
  const label = whose ? `Copy the command of ${whose}` : undefined;
  const button = make("button", { type: "button", onclick: copy, "aria-label": label }, "Copy");
  return make("div.command", {}, make("pre", { tabindex: "0" }, command), button);
}
