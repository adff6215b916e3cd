/** What `eval` says of what it found: figures beside what they mean nothing without, and the harness's keys for programs. */
import type { Outcome } from "../../src/cli/run.ts";
import { table } from "../../src/cli/table.ts";
import { showSeconds, showShare } from "../../src/cli/units.ts";
import type { Backend, Checkpoint } from "../../src/mod.ts";
import { toLmEval } from "../../src/task/lm_eval.ts";
import type { Found } from "../../src/run/pass/evaluate.ts";
import type { Yardstick } from "../../src/run/pass/yardstick.ts";
import type { InputFile } from "../../src/run/record.ts";
import { tableOf } from "../shared/tasks.ts";

/** What the figures are of. */
interface About extends Pick<Yardstick, "windows"> {
  readonly checkpoint: Pick<Checkpoint, "path">;
  readonly backend: Pick<Backend, "name" | "description">;
  /** Documents of each benchmark at most. */
  readonly limit?: number;
  /** Tokens of a request at most. */
  readonly longest: number;
  /** What the benchmarks were read from. */
  readonly data: readonly InputFile[];
}

/** Shows it: a perplexity, benchmarks, or both. */
export function tell(found: Found, about: About): Outcome {
  const { run, tasks, phases, peakBytes, finishedAt, tokens, requestTokens } = found, { checkpoint, backend } = about;
  const { name, description } = backend, seconds = Object.values(phases).reduce((a, b) => a + b, 0);
  const perplexity = found.perplexity && about.windows && {
    perplexity: found.perplexity.perplexity,
    windows: about.windows.windows,
    seqlen: about.windows.length,
    corpus: about.windows.description,
    sha256: about.windows.sha256,
    protocol: about.windows.protocol,
    sparsity: found.perplexity.sparsity!,
  };
  const text: string[] = [];
  if (perplexity) {
    const { perplexity: value, seqlen, windows, sparsity, corpus, sha256, protocol } = perplexity;
    text.push(
      table(["perplexity", "seqlen", "windows", "sparsity", "corpus"], [
        [value.toFixed(4), `${seqlen}`, `${windows}`, showShare(sparsity), corpus],
      ]),
      ...protocol === undefined ? [] : [`protocol: ${protocol}`],
      `SHA-256 of the corpus: ${sha256}`,
    );
  }
  if (tasks.length) text.push(...perplexity ? [""] : [], tableOf(tasks));
  if (tokens !== undefined) {
    text.push(`${tokens} tokens for ${found.requests} requests (${requestTokens} if each were on its own)`);
  }
  text.push(
    finishedAt === undefined
      ? `took ${showSeconds(seconds)}; run ${run}`
      : `evaluated before, ${finishedAt}; run ${run}; --force evaluates again`,
  );
  const [first] = tasks;
  const asked = first && {
    ...toLmEval(tasks),
    config: {
      model: checkpoint.path,
      limit: about.limit ?? null,
      max_length: about.longest,
      sparsity: first.sparsity,
    },
    files: about.data,
    ...tokens !== undefined && { tokens, requestTokens },
  };
  return {
    text: text.join("\n"),
    json: {
      model: checkpoint.path,
      run,
      ...finishedAt !== undefined && { done: true },
      ...asked ? { ...asked, ...perplexity && { perplexity } } : perplexity,
      backend: { name, description },
      seconds,
      peakBytes,
    },
  };
}
