// Adds rows of dy to the rows of a table that they were copied from: row own[g] of out gets the rows of dy that `tokens` names
// from starts[g] to starts[g + 1], in that order.
// Bindings: 0 parameters; 1 dy, F32; 2 own, then starts, then tokens: u32; 3 out, F32. One thread a column of a group, as in
// add.wgsl.
struct Params {
  groups: u32,
  cols: u32,
  dy_row: u32, // where token 0 is in dy's tile
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> numbers: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  let own = i / params.cols;
  if (own >= params.groups) {
    return;
  }
  let col = i % params.cols;
  let at = numbers[own] * params.cols + col;
  let tokens = 2u * params.groups + 1u;
  var sum = out[at];
  for (var token = numbers[params.groups + own]; token < numbers[params.groups + own + 1u]; token++) {
    sum += dy[(params.dy_row + numbers[tokens + token]) * params.cols + col];
  }
  out[at] = sum;
}
