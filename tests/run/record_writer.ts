/**
 * A process that records runs in a folder, for tests that start several at once or kill one. Arguments: the folder, the first
 * plan's number, how many plans, how many linears each. It prints the number of each plan whose record is whole.
 */
import { Recorder } from "../../src/run/recorder.ts";
import { linear, manifest } from "./runs.ts";

const [folder, first, count, linears] = Deno.args;
for (let number = Number(first); number < Number(first) + Number(count); number++) {
  const own = manifest({ planId: number.toString(16).padStart(16, "0"), model: `model ${number}` });
  using recorder = Recorder.begin(folder, own, {
    out: `/out/${number}`,
    resumes: true,
    labels: { tags: ["sweep-all"] },
  });
  for (let index = 0; index < Number(linears); index++) recorder.linear(linear(`linear.${index}`, index));
  recorder.finish({ prune: number }, 1000 + number, { manifest: own });
  Deno.stdout.writeSync(new TextEncoder().encode(`${number}\n`));
}
