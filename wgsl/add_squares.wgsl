// Sums of squares of every column of x, over blocks of ROWS rows, as pairs; merge.wgsl adds the blocks up. The squares
// are exact (each is a pair itself), so that nothing is lost however many rows come.
// Bindings: 0 parameters; 1 x, F32 rows x cols; 2 high and 3 low, F32 blocks x cols. One thread a column of a block:
// workgroups x columns, y blocks.
struct Params {
  zero: u32, // see pairs.wgsl
  cols: u32,
  first: u32, // rows [first, end) of x
  end: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> high: array<f32>;
@group(0) @binding(3) var<storage, read_write> low: array<f32>;

override ROWS: u32 = 64u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  zero_bits = params.zero;
  if (id.x >= params.cols) {
    return;
  }
  let begin = params.first + group.y * ROWS;
  var sum = vec2f(0.0, 0.0);
  for (var row = begin; row < min(begin + ROWS, params.end); row++) {
    let number = x[row * params.cols + id.x];
    sum = add_pair(sum, two_product(number, number));
  }
  high[group.y * params.cols + id.x] = sum.x;
  low[group.y * params.cols + id.x] = sum.y;
}
