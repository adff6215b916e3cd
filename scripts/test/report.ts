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
  /** Whether it failed. */
  readonly failed: boolean;
}

/** Sums over the files of a report, and its tests. */
export interface Report {
  /** Tests and steps that were asked for, whatever became of them. */
  readonly tests: number;
  /** Those that failed. */
  readonly failed: number;
  /** Those that were left out. */
  readonly skipped: number;
  /** The tests and steps, as they stand in the report. */
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
  // What `--filter` leaves out took no time, not even 0 s: it was not skipped, it was not asked for.
  const asked = cases.filter((test) => test.hasAttribute("time")), filtered = cases.length - asked.length;
  const sum = (attribute: string) => suites.reduce((total, suite) => total + Number(suite.getAttribute(attribute)), 0);
  const timed = asked.map((test): Timed => ({
    name: test.getAttribute("name") ?? "",
    file: (test.getAttribute("classname") ?? "").replace(/^\.\//, ""),
    seconds: Number(test.getAttribute("time")),
    failed: test.querySelector("failure, error") !== null,
  }));
  return {
    tests: sum("tests") - filtered,
    failed: sum("failures") + sum("errors"),
    skipped: sum("disabled") - filtered,
    timed,
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

/** The report of a run of these files that failed, though no test did. */
export function failedOutside(files: readonly string[]): Report {
  const timed = [{ name: "outside of a test", file: files.join(" "), seconds: 0, failed: true }];
  return { tests: 1, failed: 1, skipped: 0, timed };
}

/** What failed, one a line: name and file. */
export function failures({ timed }: Report): string {
  const lines = timed.filter(({ failed }) => failed).map(({ name, file }) => `  ${name} (${file})`);
  return ["Failed:", ...lines].join("\n");
}

/** The tests, without their steps, that took longest, one a line: seconds, name and file. */
export function slowest({ timed }: Report, count: number): string {
  const tests = timed.filter(({ name }) => !name.includes(STEP));
  const last = tests.toSorted((a, b) => b.seconds - a.seconds).slice(0, count);
  const lines = last.map(({ name, file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name} (${file})`);
  return [`The slowest ${last.length} tests:`, ...lines].join("\n");
}
