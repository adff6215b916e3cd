/** How fast a run says that it is. */
import { assertEquals } from "@std/assert";
import { Throughput } from "../../src/run/throughput.ts";

/** The rates of reports of done and total, a second between two of them. */
function ratesOf(...reports: readonly (readonly [done: number, total: number])[]): (number | undefined)[] {
  const pace = new Throughput();
  return reports.map(([done, total], second) => pace.rate({ done, total }, second * 1000));
}

Deno.test("a run's rate is that of its work so far; before the second report there is none", () => {
  assertEquals(ratesOf([10, 100], [30, 100], [70, 100]), [undefined, 20, 30]);
});

Deno.test("a run that goes on where it ended is not taken to have done all of it just now", () => {
  assertEquals(ratesOf([800, 1000], [810, 1000], [820, 1000]), [undefined, 10, 10]);
});

Deno.test("the next pass of a run begins anew: less is done than before, or of another sum", () => {
  assertEquals(ratesOf([10, 100], [100, 100], [5, 100], [9, 100]), [undefined, 90, undefined, 4]);
  assertEquals(ratesOf([10, 100], [100, 100], [200, 400], [210, 400]), [undefined, 90, undefined, 10]);
});

Deno.test("nothing done, or no time gone, is no rate", () => {
  assertEquals(ratesOf([10, 100], [10, 100]), [undefined, undefined]);
  const pace = new Throughput();
  pace.rate({ done: 1, total: 9 }, 5);
  assertEquals(pace.rate({ done: 2, total: 9 }, 5), undefined);
});
