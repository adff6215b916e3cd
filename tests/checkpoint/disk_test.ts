/** Removal while other threads make files, as an interrupt does it: what they have under way is waited for by nobody. */
import { assertEquals } from "@std/assert";
import { disk } from "../../src/checkpoint/disk.ts";
import { names, temporary } from "./folders.ts";

/** Makes files in a folder until it is gone, and says when it has begun and when it has ended. */
const MAKER = `
self.onmessage = ({ data }) => {
  try {
    for (let n = 0;; n++) {
      Deno.openSync(data + "/" + n, { write: true, create: true }).close();
      if (n === 50) self.postMessage("begun");
    }
  } catch (error) {
    self.postMessage(error.name);
  }
};`;

Deno.test("a directory is removed while another thread makes files in it", async () => {
  const url = URL.createObjectURL(new Blob([MAKER], { type: "text/javascript" }));
  // One of five is met between the last look and the removal, so that one removal alone passes once in hundreds of times.
  for (let round = 0; round < 30; round++) {
    using folder = temporary();
    const path = `${folder.path}/model`, maker = new Worker(url, { type: "module" });
    const said = () => new Promise((resolve) => maker.onmessage = ({ data }) => resolve(data));
    Deno.mkdirSync(path);
    const begun = said();
    maker.postMessage(path);
    assertEquals(await begun, "begun");
    const ended = said();
    disk.remove(path);
    assertEquals([await ended, names(folder.path)], ["NotFound", []]);
    maker.terminate();
  }
  URL.revokeObjectURL(url);
});
