/** A process that tries a place again and again, and prints which of its parents were missing each time (`place_test.ts`). */
import { dirname } from "node:path";
import { firstMissing, tryPlace } from "../../src/checkpoint/place.ts";

const [out, times] = Deno.args, missing = new Set<string | null>();
for (let time = 0; time < Number(times); time++) {
  tryPlace(out, [], "empty");
  missing.add(firstMissing(dirname(out)) ?? null);
}
console.log(JSON.stringify([...missing]));
