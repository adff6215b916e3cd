/**
 * The shaders, as text: one WGSL file for every operation, with the modules it builds on in front. They come as text
 * imports, so the program needs no permission to read them and a bundle holds them.
 */
import activate from "../../../wgsl/activate.wgsl" with { type: "text" };
import adamw from "../../../wgsl/adamw.wgsl" with { type: "text" };
import activateBackward from "../../../wgsl/activate_backward.wgsl" with { type: "text" };
import add from "../../../wgsl/add.wgsl" with { type: "text" };
import addColumns from "../../../wgsl/add_columns.wgsl" with { type: "text" };
import addGram from "../../../wgsl/add_gram.wgsl" with { type: "text" };
import addRows from "../../../wgsl/add_rows.wgsl" with { type: "text" };
import addSquares from "../../../wgsl/add_squares.wgsl" with { type: "text" };
import apply from "../../../wgsl/apply.wgsl" with { type: "text" };
import attention from "../../../wgsl/attention.wgsl" with { type: "text" };
import attentionBackward from "../../../wgsl/attention_backward.wgsl" with { type: "text" };
import columnSums from "../../../wgsl/column_sums.wgsl" with { type: "text" };
import combine from "../../../wgsl/combine.wgsl" with { type: "text" };
import conjugate from "../../../wgsl/conjugate.wgsl" with { type: "text" };
import countAbove from "../../../wgsl/count_above.wgsl" with { type: "text" };
import crossEntropy from "../../../wgsl/cross_entropy.wgsl" with { type: "text" };
import crossEntropyBackward from "../../../wgsl/cross_entropy_backward.wgsl" with { type: "text" };
import cumulativeRow from "../../../wgsl/cumulative_row.wgsl" with { type: "text" };
import cumulativeStep from "../../../wgsl/cumulative_step.wgsl" with { type: "text" };
import cumulativeTotal from "../../../wgsl/cumulative_total.wgsl" with { type: "text" };
import density from "../../../wgsl/density.wgsl" with { type: "text" };
import diagonal from "../../../wgsl/diagonal.wgsl" with { type: "text" };
import difference from "../../../wgsl/difference.wgsl" with { type: "text" };
import digits from "../../../wgsl/digits.wgsl" with { type: "text" };
import dotRows from "../../../wgsl/dot_rows.wgsl" with { type: "text" };
import dropout from "../../../wgsl/dropout.wgsl" with { type: "text" };
import eliminate from "../../../wgsl/eliminate.wgsl" with { type: "text" };
import eliminateGather from "../../../wgsl/eliminate_gather.wgsl" with { type: "text" };
import eliminateScatter from "../../../wgsl/eliminate_scatter.wgsl" with { type: "text" };
import eliminateScore from "../../../wgsl/eliminate_score.wgsl" with { type: "text" };
import embed from "../../../wgsl/embed.wgsl" with { type: "text" };
import embedBackward from "../../../wgsl/embed_backward.wgsl" with { type: "text" };
import equilibrate from "../../../wgsl/equilibrate.wgsl" with { type: "text" };
import extremes from "../../../wgsl/extremes.wgsl" with { type: "text" };
import expand from "../../../wgsl/expand.wgsl" with { type: "text" };
import few from "../../../wgsl/few.wgsl" with { type: "text" };
import finish from "../../../wgsl/finish.wgsl" with { type: "text" };
import functions from "../../../wgsl/functions.wgsl" with { type: "text" };
import histogram from "../../../wgsl/histogram.wgsl" with { type: "text" };
import histogramTotal from "../../../wgsl/histogram_total.wgsl" with { type: "text" };
import linear from "../../../wgsl/linear.wgsl" with { type: "text" };
import linearFew from "../../../wgsl/linear_few.wgsl" with { type: "text" };
import linearPacked from "../../../wgsl/linear_packed.wgsl" with { type: "text" };
import magnitudeSums from "../../../wgsl/magnitude_sums.wgsl" with { type: "text" };
import merge from "../../../wgsl/merge.wgsl" with { type: "text" };
import mix from "../../../wgsl/mix.wgsl" with { type: "text" };
import narrow from "../../../wgsl/narrow.wgsl" with { type: "text" };
import norm from "../../../wgsl/norm.wgsl" with { type: "text" };
import normBackward from "../../../wgsl/norm_backward.wgsl" with { type: "text" };
import normGradients from "../../../wgsl/norm_gradients.wgsl" with { type: "text" };
import numbers from "../../../wgsl/numbers.wgsl" with { type: "text" };
import pack from "../../../wgsl/pack.wgsl" with { type: "text" };
import packed from "../../../wgsl/packed.wgsl" with { type: "text" };
import pad from "../../../wgsl/pad.wgsl" with { type: "text" };
import pairs from "../../../wgsl/pairs.wgsl" with { type: "text" };
import relative from "../../../wgsl/relative.wgsl" with { type: "text" };
import rotate from "../../../wgsl/rotate.wgsl" with { type: "text" };
import rounding from "../../../wgsl/rounding.wgsl" with { type: "text" };
import score from "../../../wgsl/score.wgsl" with { type: "text" };
import selectCount from "../../../wgsl/select_count.wgsl" with { type: "text" };
import selectGroups from "../../../wgsl/select_groups.wgsl" with { type: "text" };
import selectMask from "../../../wgsl/select_mask.wgsl" with { type: "text" };
import selectRow from "../../../wgsl/select_row.wgsl" with { type: "text" };
import selectShare from "../../../wgsl/select_share.wgsl" with { type: "text" };
import selectStep from "../../../wgsl/select_step.wgsl" with { type: "text" };
import selectTies from "../../../wgsl/select_ties.wgsl" with { type: "text" };
import setRows from "../../../wgsl/set_rows.wgsl" with { type: "text" };
import subtract from "../../../wgsl/subtract.wgsl" with { type: "text" };
import tanh from "../../../wgsl/tanh.wgsl" with { type: "text" };
import tile from "../../../wgsl/tile.wgsl" with { type: "text" };
import total from "../../../wgsl/total.wgsl" with { type: "text" };
import transpose from "../../../wgsl/transpose.wgsl" with { type: "text" };
import transposeMask from "../../../wgsl/transpose_mask.wgsl" with { type: "text" };
import unsigned from "../../../wgsl/unsigned.wgsl" with { type: "text" };
import widen from "../../../wgsl/widen.wgsl" with { type: "text" };
import workgroupSum from "../../../wgsl/workgroup_sum.wgsl" with { type: "text" };
import worth from "../../../wgsl/worth.wgsl" with { type: "text" };
import zeros from "../../../wgsl/zeros.wgsl" with { type: "text" };

/** Every shader's source, whole. */
export const SHADERS = {
  adamw,
  activate: tanh + functions + activate,
  activateBackward: tanh + functions + activateBackward,
  add,
  addColumns,
  addGram: pairs + addGram,
  addRows,
  addSquares: pairs + addSquares,
  apply: numbers + apply,
  attention: tanh + tile + attention,
  attentionBackward: tanh + workgroupSum + attentionBackward,
  columnSums: pairs + columnSums,
  combine: numbers + combine,
  conjugate: workgroupSum + conjugate,
  countAbove,
  crossEntropy: tanh + crossEntropy,
  crossEntropyBackward: tanh + crossEntropyBackward,
  cumulativeRow: pairs + cumulativeRow,
  cumulativeStep,
  cumulativeTotal: pairs + cumulativeTotal,
  density,
  diagonal,
  difference: numbers + difference,
  dotRows: pairs + dotRows,
  dropout: mix + dropout,
  eliminate: worth + eliminate,
  eliminateGather,
  eliminateScatter,
  eliminateScore: worth + eliminateScore,
  embed: numbers + embed,
  embedBackward,
  equilibrate,
  expand: numbers + packed + expand,
  extremes: numbers + extremes,
  finish: pairs + finish,
  histogram: numbers + histogram,
  histogramTotal,
  linear: tile + linear,
  linearFew: numbers + few + linearFew,
  linearPacked: numbers + packed + few + linearPacked,
  magnitudeSums: numbers + pairs + magnitudeSums,
  merge: pairs + merge,
  narrow: numbers + rounding + mix + narrow,
  norm: numbers + workgroupSum + norm,
  normBackward: workgroupSum + numbers + normBackward,
  normGradients: pairs + normGradients,
  pack: numbers + pack,
  pad: numbers + pad,
  relative: numbers + relative,
  rotate,
  score: numbers + pairs + score,
  selectCount: unsigned + digits + selectCount,
  selectGroups: unsigned + selectGroups,
  selectMask: unsigned + selectMask,
  selectRow: unsigned + digits + selectRow,
  selectShare,
  selectStep,
  selectTies: unsigned + selectTies,
  setRows: numbers + rounding + setRows,
  subtract,
  total: pairs + total,
  transpose,
  transposeMask,
  widen: numbers + widen,
  zeros: numbers + zeros,
} as const;

/** A shader's name. */
export type ShaderName = keyof typeof SHADERS;
