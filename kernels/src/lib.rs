//! Pare's operations on the CPU, compiled to WebAssembly: a file for each kernel, of which some
//! operations have several. Every worker has an instance of this module, all instances share one memory, and each exported
//! function that takes a `Team` is a command that the workers run together (`team.rs`); the others say how much scratch such
//! commands take, and how they are cut. `src/backend/` holds the other half: `bind.ts` checks shapes, `wasm/` owns the memory
//! and sends the commands.
//!
//! Arguments are offsets in that memory and sizes. Nothing here allocates, keeps a state or checks an argument: an
//! export is safe to call exactly if its offsets are allocations of the sizes that its comment gives, which is what
//! `src/backend/wasm/` promises; so no export repeats it in a section on safety.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]

pub mod activation;
pub mod activation_backward;
pub mod adamw;
pub mod add_rows;
pub mod apply;
pub mod attend;
pub mod attention;
pub mod attention_backward;
mod choose;
pub mod column_sums;
pub mod combine;
pub mod conjugate;
pub mod convert;
pub mod count_above;
pub mod cross_entropy;
mod cut;
pub mod density;
mod dot;
pub mod dot_rows;
pub mod dropout;
pub mod dtype;
pub mod elementwise;
pub mod eliminate;
pub mod embed;
pub mod equilibrate;
pub mod error;
mod exp;
pub mod extremes;
pub mod factor;
pub mod few;
mod gemm;
pub mod gram;
pub mod histogram;
mod lanes;
pub mod linear;
pub mod linear_backward;
pub mod norm;
pub mod norm_backward;
#[cfg(test)]
mod oracle;
mod pack;
pub mod packed;
pub mod packed_few;
mod packed_halves;
pub mod packed_lists;
pub mod packed_pairs;
mod panel;
mod pivot;
mod power;
mod real;
pub mod relative;
pub mod residual;
pub mod rotate;
pub mod score;
pub mod select_cumulative;
pub mod select_groups;
pub mod select_long;
pub mod select_smallest;
pub mod set_rows;
mod simd;
pub mod slice;
pub mod sums;
mod tanh;
pub mod team;
mod tile;
pub mod worth;
pub mod zeros;
