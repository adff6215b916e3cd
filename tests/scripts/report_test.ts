/** A run of all tests: which process tests what, what is counted, and which tests are named. */
import { assert, assertEquals } from "@std/assert";
import { deal, share, testFiles } from "../../scripts/test/files.ts";
import { failedOutside, failures, joinReports, readReport, slowest } from "../../scripts/test/report.ts";

/** As Deno writes it: a test with a step, one that failed, one that was left out. */
const XML = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="1" errors="0" time="3.579">
    <testsuite name="./tests/a_test.ts" tests="4" disabled="2" errors="0" failures="1">
        <testcase name="adds &amp; &quot;holds&quot; a &lt; b" classname="./tests/a_test.ts" time="0.261" line="34" col="10">
        </testcase>
        <testcase name="fails" classname="./tests/a_test.ts" time="2.5" line="40" col="10">
            <failure message="Uncaught Error">Error: no</failure>
        </testcase>
        <testcase name="left out" classname="./tests/a_test.ts" time="0.000" line="50" col="10">
            <skipped/>
        </testcase>
        <testcase name="not asked for" classname="./tests/a_test.ts" line="70" col="10">
            <skipped/>
        </testcase>
    </testsuite>
    <testsuite name="./tests/steps.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="whole &gt; step" classname="./tests/steps.ts" time="11.000" line="1" col="1">
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("a report counts the tests and steps that were asked for, and what failed and was left out of them", () => {
  const { tests, failed, skipped } = readReport(XML);
  assertEquals({ tests, failed, skipped }, { tests: 4, failed: 1, skipped: 1 });
});

Deno.test("the slowest tests are named with their files, the slowest first, without their steps", () => {
  assertEquals(
    slowest(readReport(XML), 2),
    'The slowest 2 tests:\n    2.5 s  fails (tests/a_test.ts)\n    0.3 s  adds & "holds" a < b (tests/a_test.ts)',
  );
});

Deno.test("reports of several processes are one, and a process that left none adds nothing", () => {
  const one = readReport(XML), { tests, failed, skipped, timed } = joinReports([one, readReport(""), one]);
  assertEquals({ tests, failed, skipped, timed: timed.length }, { tests: 8, failed: 2, skipped: 2, timed: 8 });
});

Deno.test("what failed is named with its file, and files that ended outside of a test", () => {
  const report = joinReports([readReport(XML), failedOutside(["tests/b_test.ts", "tests/c_test.ts"])]);
  assertEquals(
    failures(report),
    "Failed:\n  fails (tests/a_test.ts)\n  outside of a test (tests/b_test.ts tests/c_test.ts)",
  );
  assertEquals(report.failed, 2);
});

Deno.test("every file with tests is dealt to one hand, and those of a folder to many", () => {
  const files = testFiles("tests"), hands = deal(files);
  assertEquals(hands.flat().sort(), files.toSorted());
  assert(files.includes("tests/scripts/report_test.ts") && files[0].startsWith("tests/golden/"));
  assertEquals([Math.max(...hands.map(({ length }) => length)), hands.length], [4, Math.ceil(files.length / 4)]);
  const golden = hands.map((hand) => hand.filter((file) => file.startsWith("tests/golden/")).length);
  assertEquals(Math.max(...golden), 1);
});

Deno.test("who is done takes the next: so many at a time, results in the order of the items", async () => {
  const opened = [0, 1, 2, 3].map(() => Promise.withResolvers<void>()), begun: number[] = [];
  const all = share([0, 1, 2, 3], 2, async (item) => {
    begun.push(item);
    await opened[item].promise;
    return item * 10;
  });
  assertEquals(begun, [0, 1]);
  opened[1].resolve();
  opened[2].resolve();
  opened[3].resolve();
  await opened[3].promise;
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(begun, [0, 1, 2, 3]);
  opened[0].resolve();
  assertEquals(await all, [0, 10, 20, 30]);
});
