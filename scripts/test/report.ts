/** What a run of `deno test` left behind, read from its JUnit report: how many tests, and how long each took. */
import { DOMParser } from "linkedom";

/** A test, or a step of one. */
export interface Timed {
  /** Its name; a step's begins with its test's and ` > `. */
  readonly name: string;
  /** The file that declared it. */
  readonly file: string;
  /** How long it took. */
  readonly seconds: number;
}

/** Sums over the files of a report, and its tests. */
export interface Report {
  /** Tests and steps, whatever became of them. */
  readonly tests: number;
  /** Those that failed. */
  readonly failed: number;
  /** Those that were left out. */
  readonly skipped: number;
  /** The tests, without their steps, as they stand in the report. */
  readonly timed: readonly Timed[];
}

/** No test at all: what a run that ended before its report left. */
const EMPTY: Report = { tests: 0, failed: 0, skipped: 0, timed: [] };

/** Steps stand behind their test's name and this. */
const STEP = " > ";

/** Reads the report of one run, in Deno's form of JUnit's XML; an empty text is the report of no test. */
export function readReport(xml: string): Report {
  if (!xml) return EMPTY;
  // Read as HTML: linkedom leaves the entities of XML as they are.
  const document = new DOMParser().parseFromString(xml.replace(/^<\?xml.*?\?>/, "<!DOCTYPE html>"), "text/html");
  const suites = [...document.querySelectorAll("testsuite")], cases = [...document.querySelectorAll("testcase")];
  const sum = (attribute: string) => suites.reduce((total, suite) => total + Number(suite.getAttribute(attribute)), 0);
  const timed = cases.map((test): Timed => ({
    name: test.getAttribute("name") ?? "",
    file: (test.getAttribute("classname") ?? "").replace(/^\.\//, ""),
    seconds: Number(test.getAttribute("time")),
  }));
  return {
    tests: sum("tests"),
    failed: sum("failures") + sum("errors"),
    skipped: sum("disabled"),
    timed: timed.filter(({ name }) => !name.includes(STEP)),
  };
}

/** Several reports as one. */
export function joinReports(reports: readonly Report[]): Report {
  return reports.reduce((all, one) => ({
    tests: all.tests + one.tests,
    failed: all.failed + one.failed,
    skipped: all.skipped + one.skipped,
    timed: [...all.timed, ...one.timed],
  }), EMPTY);
}

/** The tests that took longest, one a line: seconds, name and file. */
export function slowest({ timed }: Report, count: number): string {
  const last = timed.toSorted((a, b) => b.seconds - a.seconds).slice(0, count);
  const lines = last.map(({ name, file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name} (${file})`);
  return [`The slowest ${last.length} tests:`, ...lines].join("\n");
}
