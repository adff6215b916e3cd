/**
 * The registry's tables, as the steps that lead to them: a file of an older Pare is brought up by the steps that it
 * lacks, and SQLite's `user_version` counts those that it has. A step that was released is never changed.
 *
 * What is looked for has a column (made by SQLite itself out of the manifest, so that it cannot contradict it); all else is
 * the JSON of `record.ts`.
 */

/** Marks a SQLite file as a registry of Pare: "PARE" in ASCII. */
export const APPLICATION_ID = 0x50415245;

/** What two results of a benchmark differ in where both may stand in one run, as an expression of SQL. */
const differing = (record: string, fields: readonly string[]): string =>
  `json_array(${fields.map((field) => `${record} -> '$.${field}'`).join(", ")})`;

/** The same before the length was known from which a request is cut. */
const OLD_BENCHMARK: readonly string[] = ["version", "shots", "documents", "data"];

/**
 * What two results of a benchmark differ in where both may stand in one run, as an expression of SQL.
 * @param record An expression for its JSON.
 */
export const benchmarkColumn = (record: string): string => differing(record, [...OLD_BENCHMARK, "longest"]);

/**
 * What puts a table in the place of another, once it has its rows: under its name, and with its counter, so that no id is
 * given twice, though the newest rows were removed.
 */
const replaceTable = (old: string, by: string): string => /* sql */ `
    DELETE FROM sqlite_sequence WHERE name = '${by}';
    INSERT INTO sqlite_sequence (name, seq) SELECT '${by}', seq FROM sqlite_sequence WHERE name = '${old}';
    DROP TABLE ${old};
    ALTER TABLE ${by} RENAME TO ${old};
  `;

/**
 * A step that makes the table of events anew, with more kinds: SQLite changes no CHECK.
 * @param name Of the new table until the old one is gone.
 */
const renewEvents = (name: string, kinds: readonly string[]): string => /* sql */ `
    CREATE TABLE ${name} (
      id   INTEGER PRIMARY KEY AUTOINCREMENT,        -- never used twice
      run  INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      kind TEXT NOT NULL CHECK (kind IN (${kinds.map((kind) => `'${kind}'`).join(", ")})),
      data TEXT NOT NULL
    ) STRICT;
    INSERT INTO ${name} SELECT id, run, kind, data FROM events;
    ${replaceTable("events", name)}
    CREATE INDEX events_by_run ON events (run, id);
    CREATE UNIQUE INDEX one_progress ON events (run) WHERE kind = 'progress';
  `;

/**
 * A step that makes the table of perplexities anew, told apart by another protocol.
 * @param protocol An expression of SQL.
 */
const renewPerplexities = (protocol: string): string => /* sql */ `
    CREATE TABLE measured (
      run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      seq      INTEGER PRIMARY KEY AUTOINCREMENT,
      label    TEXT NOT NULL,
      record   TEXT NOT NULL,
      protocol TEXT NOT NULL GENERATED ALWAYS AS (${protocol}) STORED,
      UNIQUE (run, label, protocol)
    ) STRICT;
    INSERT INTO measured (run, seq, label, record) SELECT run, seq, label, record FROM perplexities;
    ${replaceTable("perplexities", "measured")}
  `;

/** Windows, their length and the text. */
const WINDOWS = `coalesce(record ->> '$.evaluation.sequences', '') || 'x'
        || coalesce(record ->> '$.evaluation.seqlen', '') || '-' || coalesce(record ->> '$.evaluation.sha256', '')`;

/** The SQL of every step, in order. */
export const MIGRATIONS: readonly string[] = [
  /* sql */ `
    CREATE TABLE runs (
      seq         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which runs began
      id          TEXT NOT NULL UNIQUE,
      status      TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'interrupted')),
      started_at  INTEGER NOT NULL,                  -- all times: milliseconds since 1970, UTC
      alive_at    INTEGER NOT NULL,                  -- the last sign of life
      finished_at INTEGER,
      manifest    TEXT NOT NULL CHECK (json_valid(manifest)),
      out         TEXT,
      phases      TEXT NOT NULL DEFAULT '{}',
      peak_bytes  INTEGER,
      error       TEXT,
      plan        TEXT NOT NULL GENERATED ALWAYS AS (manifest ->> '$.planId') STORED,
      model       TEXT NOT NULL GENERATED ALWAYS AS (manifest ->> '$.plan.model.name') STORED,
      method      TEXT GENERATED ALWAYS AS (manifest ->> '$.plan.request.method') STORED,
      pattern     TEXT NOT NULL GENERATED ALWAYS AS (coalesce(manifest ->> '$.plan.request.pattern', 'unstructured')) STORED
    ) STRICT;
    CREATE INDEX runs_by_plan ON runs (plan);

    CREATE TABLE linears (
      run     INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      seq     INTEGER PRIMARY KEY AUTOINCREMENT,     -- the order in which they were done
      name    TEXT NOT NULL,
      summary TEXT NOT NULL,
      plots   TEXT NOT NULL,                         -- large, hence last: SQLite does not read it for the summary
      UNIQUE (run, name)
    ) STRICT;

    CREATE TABLE perplexities (
      run    INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      seq    INTEGER PRIMARY KEY AUTOINCREMENT,
      label  TEXT NOT NULL,
      record TEXT NOT NULL,
      UNIQUE (run, label)
    ) STRICT;

    CREATE TABLE events (
      id   INTEGER PRIMARY KEY AUTOINCREMENT,        -- never used twice
      run  INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      kind TEXT NOT NULL CHECK (kind IN ('status', 'progress', 'linear', 'perplexity')),
      data TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_run ON events (run, id);
    CREATE UNIQUE INDEX one_progress ON events (run) WHERE kind = 'progress';
  `,
  // What a person calls a run. SQLite changes no CHECK, hence the new table of events.
  /* sql */ `
    ALTER TABLE runs ADD COLUMN name TEXT;
    ALTER TABLE runs ADD COLUMN note TEXT;
    CREATE INDEX runs_by_name ON runs (name);

    CREATE TABLE tags (
      run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      tag TEXT NOT NULL,
      PRIMARY KEY (run, tag)
    ) STRICT, WITHOUT ROWID;
  ` + renewEvents("labelled_events", ["status", "progress", "linear", "perplexity", "labels"]),

  // A model is measured by several protocols, and each of its perplexities means something beside its own kind alone.
  renewPerplexities(WINDOWS),

  // What benchmarks came to. SQLite changes no CHECK, hence again a new table of events.
  /* sql */ `
    CREATE TABLE tasks (
      run       INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      seq       INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they were done
      label     TEXT NOT NULL,
      name      TEXT NOT NULL GENERATED ALWAYS AS (record ->> '$.name') STORED,
      benchmark TEXT NOT NULL GENERATED ALWAYS AS (${differing("record", OLD_BENCHMARK)}) STORED,
      record    TEXT NOT NULL,
      documents BLOB,                                -- large, hence last; none of a group
      UNIQUE (run, label, name, benchmark)
    ) STRICT;
  ` + renewEvents("task_events", ["status", "progress", "linear", "perplexity", "labels", "task"]),

  // The same bytes can be joined to a text in several ways.
  renewPerplexities(`${WINDOWS}
        || coalesce('-' || (record ->> '$.evaluation.protocol'), '')`),

  // Which records of runs were taken in, and how much of each; a run that was removed is not to come back.
  /* sql */ `
    CREATE TABLE collected (
      record  TEXT PRIMARY KEY,
      run     INTEGER REFERENCES runs (seq) ON DELETE SET NULL,
      entries INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX collected_by_run ON collected (run);
  `,

  // Requests may be cut at several lengths; and what documents were worth is read without what was answered to each. Of
  // results of before it stands among their documents.
  /* sql */ `
    CREATE TABLE answered (
      run       INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      seq       INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they were done
      label     TEXT NOT NULL,
      name      TEXT NOT NULL GENERATED ALWAYS AS (record ->> '$.name') STORED,
      benchmark TEXT NOT NULL GENERATED ALWAYS AS (${benchmarkColumn("record")}) STORED,
      record    TEXT NOT NULL,
      scores    BLOB,                                -- none of a group
      documents BLOB,                                -- large, hence last; none of a group
      UNIQUE (run, label, name, benchmark)
    ) STRICT;
    INSERT INTO answered (run, seq, label, record, documents) SELECT run, seq, label, record, documents FROM tasks;
    ${replaceTable("tasks", "answered")}
  `,

  // How a training went, point after point; one that is gone on with repeats what came after its last state.
  /* sql */ `
    CREATE TABLE curves (
      run   INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
      kind  TEXT NOT NULL GENERATED ALWAYS AS (point ->> '$.kind') STORED,
      place INTEGER NOT NULL GENERATED ALWAYS AS (coalesce(point ->> '$.step', point ->> '$.block')) STORED,
      point TEXT NOT NULL,
      UNIQUE (run, kind, place)
    ) STRICT;
  ` + renewEvents("curve_events", ["status", "progress", "linear", "perplexity", "labels", "task", "curve"]),

  // What a bench measured.
  /* sql */ `ALTER TABLE runs ADD COLUMN ratios TEXT;`,

  // What a model wrote.
  /* sql */ `ALTER TABLE runs ADD COLUMN texts TEXT;`,
];
