// Copies rows of numbers to rows of another length, as F32: linear.wgsl and attention.wgsl read and write whole vectors
// of four, and what is not made of such goes through a copy. What a longer row has no number for is 0.
// Bindings: 0 parameters; 1 source, stored as SOURCE says; 2 out, the bits of F32. One thread a number of out, as in
// add.wgsl.
struct Params {
  rows: u32,
  cols: u32, // of the source that are copied
  source_at: u32, // the first number
  source_stride: u32, // numbers from row to row
  out_cols: u32, // that are written
  out_at: u32,
  out_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

override SOURCE: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let row = i / params.out_cols;
  let col = i % params.out_cols;
  if (row >= params.rows) {
    return;
  }
  var bits = 0u;
  if (col < params.cols) {
    let number = params.source_at + row * params.source_stride + col;
    bits = bits_of(source[word_of(number, SOURCE)], number, SOURCE);
  }
  out[params.out_at + row * params.out_stride + col] = bits;
}
