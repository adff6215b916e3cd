/** A program that is interrupted while it writes, as `writer_test.ts` starts it: arguments are the input and the output. */
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";

const [input, output] = Deno.args;
await using checkpoint = await openDirectory(input);
await using writer = await createWriter(checkpoint, output);
Deno.addSignalListener("SIGINT", () => {
  writer.abort();
  Deno.exit(130);
});
const [{ name, bytes }] = checkpoint.tensors.values();
console.log("writing");
while (true) await writer.write(name, new Uint8Array(bytes));
