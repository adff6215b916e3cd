/**
 * The shaders, as text: one WGSL file for every operation, with the modules it builds on in front. They come as text
 * imports, so the program needs no permission to read them and a bundle holds them.
 */
import add from "../../../wgsl/add.wgsl" with { type: "text" };
import addSquares from "../../../wgsl/add_squares.wgsl" with { type: "text" };
import apply from "../../../wgsl/apply.wgsl" with { type: "text" };
import attention from "../../../wgsl/attention.wgsl" with { type: "text" };
import crossEntropy from "../../../wgsl/cross_entropy.wgsl" with { type: "text" };
import cumulativeRow from "../../../wgsl/cumulative_row.wgsl" with { type: "text" };
import cumulativeStep from "../../../wgsl/cumulative_step.wgsl" with { type: "text" };
import cumulativeTotal from "../../../wgsl/cumulative_total.wgsl" with { type: "text" };
import digits from "../../../wgsl/digits.wgsl" with { type: "text" };
import embed from "../../../wgsl/embed.wgsl" with { type: "text" };
import finish from "../../../wgsl/finish.wgsl" with { type: "text" };
import linear from "../../../wgsl/linear.wgsl" with { type: "text" };
import merge from "../../../wgsl/merge.wgsl" with { type: "text" };
import numbers from "../../../wgsl/numbers.wgsl" with { type: "text" };
import pack from "../../../wgsl/pack.wgsl" with { type: "text" };
import pad from "../../../wgsl/pad.wgsl" with { type: "text" };
import pairs from "../../../wgsl/pairs.wgsl" with { type: "text" };
import rmsNorm from "../../../wgsl/rms_norm.wgsl" with { type: "text" };
import rotate from "../../../wgsl/rotate.wgsl" with { type: "text" };
import score from "../../../wgsl/score.wgsl" with { type: "text" };
import selectCount from "../../../wgsl/select_count.wgsl" with { type: "text" };
import selectGroups from "../../../wgsl/select_groups.wgsl" with { type: "text" };
import selectMask from "../../../wgsl/select_mask.wgsl" with { type: "text" };
import selectRow from "../../../wgsl/select_row.wgsl" with { type: "text" };
import selectShare from "../../../wgsl/select_share.wgsl" with { type: "text" };
import selectStep from "../../../wgsl/select_step.wgsl" with { type: "text" };
import selectTies from "../../../wgsl/select_ties.wgsl" with { type: "text" };
import swiglu from "../../../wgsl/swiglu.wgsl" with { type: "text" };
import tile from "../../../wgsl/tile.wgsl" with { type: "text" };
import transpose from "../../../wgsl/transpose.wgsl" with { type: "text" };
import transposeMask from "../../../wgsl/transpose_mask.wgsl" with { type: "text" };

/** Every shader's source, whole. */
export const SHADERS = {
  add,
  addSquares: pairs + addSquares,
  apply: numbers + apply,
  attention: tile + attention,
  crossEntropy,
  cumulativeRow: pairs + cumulativeRow,
  cumulativeStep,
  cumulativeTotal: pairs + cumulativeTotal,
  embed: numbers + embed,
  finish: pairs + finish,
  linear: tile + linear,
  merge: pairs + merge,
  pack: numbers + pack,
  pad: numbers + pad,
  rmsNorm: numbers + rmsNorm,
  rotate,
  score: numbers + pairs + score,
  selectCount: digits + selectCount,
  selectGroups,
  selectMask,
  selectRow: digits + selectRow,
  selectShare,
  selectStep,
  selectTies,
  swiglu,
  transpose,
  transposeMask,
} as const;

/** A shader's name. */
export type ShaderName = keyof typeof SHADERS;
