/** Sizes, times and counts as a person reads them. */
import { assertEquals } from "@std/assert";
import { showBytes, showCount, showSeconds, showShare } from "../../src/cli/units.ts";

Deno.test("bytes have three digits and a binary unit", () => {
  assertEquals(showBytes(0), "0 B");
  assertEquals(showBytes(999), "999 B");
  assertEquals(showBytes(1000), "0.98 KiB");
  assertEquals(showBytes(1536), "1.50 KiB");
  assertEquals(showBytes(1024 ** 2 * 412), "412 MiB");
  assertEquals(showBytes(1024 ** 4 * 5000), "5000 TiB");
});

Deno.test("seconds are shown in the unit that a person would choose", () => {
  assertEquals(showSeconds(0.0123), "12.3 ms");
  assertEquals(showSeconds(0.9999), "1.00 s");
  assertEquals(showSeconds(59.97), "1 min 0 s");
  assertEquals(showSeconds(75.4), "1 min 15 s");
  assertEquals(showSeconds(3700), "1 h 2 min");
  assertEquals(showSeconds(7199), "2 h 0 min");
});

Deno.test("counts are grouped by thousands", () => {
  assertEquals(showCount(999), "999");
  assertEquals(showCount(1234567.4), "1,234,567");
});

Deno.test("a share that is not all is never written as 100 %", () => {
  assertEquals([0, 0.5, 0.99994, 1].map(showShare), ["0.00 %", "50.00 %", "99.99 %", "100.00 %"]);
  assertEquals([1 - 17 / 106_168_320, 1 - 3 / 688_128].map(showShare), ["99.99998 %", "99.9996 %"]);
  assertEquals(Number.parseFloat(showShare(1 - 1 / 7e9)) < 100, true);
});
