/** One run on several machines, as `prune` takes it: how it is cut, which part this process has, where the parts meet. */
import { PareError } from "../errors.ts";
import { type Flag, integer, text } from "./flags.ts";

/** See the file's head. */
export const rankFlags: {
  readonly shards: Flag<number | undefined>;
  readonly rank: Flag<number | undefined>;
  readonly ranks: Flag<number | undefined>;
  readonly exchange: Flag<string | undefined>;
  readonly patience: Flag<number>;
} = {
  shards: integer(1, {
    help:
      "Cut the calibration sequences into so many shards, and add up what is measured shard by shard: a part of the " +
      "plan. With it a run has the same bytes on 1, 2 or as many machines as there are shards.",
    otherwise: "not cut, for one machine",
  }),
  rank: integer(0, {
    help: "Which of the machines this is, from 0; that of rank 0 writes --out.",
    otherwise: "SLURM_PROCID or JOB_COMPLETION_INDEX, which srun and a Kubernetes Indexed Job set",
  }),
  ranks: integer(1, { help: "How many machines there are.", otherwise: "SLURM_NTASKS" }),
  exchange: text({
    metavar: "DIR|s3://BUCKET/PREFIX",
    help:
      "The directory in which they meet, or the place in a bucket: one that all of them see, for this run alone. One that was killed is started " +
      "again by the same command (rank 0 with --resume) and goes on at its block.",
  }),
  patience: integer(1, {
    help: "Seconds without a sign of life after which another machine is given up.",
    fallback: 600,
  }),
};

/** The flags as they are given. */
export interface RankValues {
  readonly shards: number | undefined;
  readonly rank: number | undefined;
  readonly ranks: number | undefined;
  readonly exchange: string | undefined;
}

/**
 * Which part of a run this process has; undefined for all of it.
 * @throws PareError for numbers that do not go together.
 */
export function resolveRanks(
  { shards, rank, ranks, exchange }: RankValues,
  variable: (name: string) => string | undefined = (name) => Deno.env.get(name),
): { readonly rank: number; readonly ranks: number } | undefined {
  if (exchange === undefined) {
    if (rank === undefined && ranks === undefined) return undefined;
    throw new PareError("--rank and --ranks need --exchange: the directory in which the machines meet");
  }
  const set = (name: string) => {
    const value = variable(name);
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  const all = ranks ?? set("SLURM_NTASKS"), own = rank ?? set("SLURM_PROCID") ?? set("JOB_COMPLETION_INDEX");
  if (shards === undefined) throw new PareError("--exchange needs --shards: the same number for all machines");
  if (all === undefined || own === undefined) {
    throw new PareError("--exchange needs --rank and --ranks, unless srun (SLURM_PROCID, SLURM_NTASKS) sets them");
  }
  if (own >= all) throw new PareError(`--rank ${own}: expected 0 to ${all - 1}, of ${all} ranks`);
  if (all > shards) throw new PareError(`--ranks ${all}: expected at most one for each of the ${shards} shards`);
  return { rank: own, ranks: all };
}
