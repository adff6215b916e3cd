/**
 * The sizes that depend on what computes. The software set has been measured on Mesa's llvmpipe; the hardware set is
 * reasoned from what GPUs have in common, and measured on none. The contract suite runs them all, since a tile that is never
 * used hides its mistakes.
 */

/** Sizes of tiles and workgroups. */
export interface Tuning {
  /** Blocks of 4 rows of out that one thread of linear.wgsl has: 1 to 6. */
  readonly rows: number;
  /** Blocks of 4 columns of it: 1 to 4. */
  readonly cols: number;
  /** Its threads along the rows of a workgroup. */
  readonly threadRows: number;
  /** And along the columns. */
  readonly threadCols: number;
  /** Blocks of 4 query rows that one thread of attention.wgsl has: 1 or 2. */
  readonly strips: number;
  /** Threads that share one row in sums, selections and the like. */
  readonly lanes: number;
  /** Of those, the ones that share a row of the weight in linear_few.wgsl. */
  readonly fewLanes: number;
  /** Rows of the weight that each of them has there: 1 to 4. */
  readonly fewRows: number;
  /** See `BackendLimits`. */
  readonly batchTokens: number;
  /** See `BackendLimits`. */
  readonly spoolAbove: number;
}

/** The sets. */
export const TUNINGS = {
  /**
   * Tiles of 8 x 8 a thread are what fits a GPU's registers; 64 threads are two or one of its subgroups. 4096 tokens are 64
   * rows of workgroups in a linear, so that a narrow one, too, has some for every core. Sixteen threads read 256 bytes of a
   * weight's row at once. How much memory there is WebGPU does not say: a gibibyte of hidden states fits beside the work
   * on any device worth using.
   */
  hardware: {
    rows: 2,
    cols: 2,
    threadRows: 8,
    threadCols: 16,
    strips: 1,
    lanes: 64,
    fewLanes: 16,
    fewRows: 2,
    batchTokens: 4096,
    spoolAbove: 2 ** 30,
  },
  /**
   * Mesa's llvmpipe reads memory lane by lane but keeps tiles in the first-level cache, so a tile is as large as that
   * lets it be; a workgroup is one vector of 8 lanes, which makes barriers free, and each has rows of its own of a weight
   * that is read for few tokens: there is nothing to add up, and all read the same of x. Batches are those of the WASM
   * backend.
   */
  software: {
    rows: 6,
    cols: 4,
    threadRows: 1,
    threadCols: 8,
    strips: 2,
    lanes: 8,
    fewLanes: 1,
    fewRows: 4,
    batchTokens: 1024,
    spoolAbove: 2 ** 30,
  },
} as const satisfies Record<string, Tuning>;
