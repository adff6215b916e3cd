/** The report of a run of all tests: what is counted, and which tests are named as the slowest. */
import { assertEquals } from "@std/assert";
import { joinReports, readReport, slowest } from "../../scripts/test/report.ts";

/** As Deno writes it: a test with a step, one that failed, one that was left out. */
const XML = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="3.579">
    <testsuite name="./tests/a_test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="adds &amp; &quot;holds&quot; a &lt; b" classname="./tests/a_test.ts" time="0.261" line="34" col="10">
        </testcase>
        <testcase name="fails" classname="./tests/a_test.ts" time="2.5" line="40" col="10">
            <failure message="Uncaught Error">Error: no</failure>
        </testcase>
        <testcase name="left out" classname="./tests/a_test.ts" time="0.000" line="50" col="10">
            <skipped/>
        </testcase>
    </testsuite>
    <testsuite name="./tests/steps.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="whole &gt; step" classname="./tests/steps.ts" time="11.000" line="1" col="1">
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("a report counts tests and steps, and what failed and was left out of them", () => {
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
  assertEquals({ tests, failed, skipped, timed: timed.length }, { tests: 8, failed: 2, skipped: 2, timed: 6 });
});
