// Adds magnitudes along rows, or columns, of a tile to pairs.
// Bindings: 0 parameters; 1 weight, stored as WEIGHT says; 2 sums, F32 pairs. One thread a row, or column.
struct Params {
  zero: u32, // see pairs.wgsl
  lines: u32, // rows, or columns
  length: u32, // numbers of each that are added
  at: u32, // the first number of the first
  across: u32, // numbers from one to the next
  along: u32, // numbers from one of its numbers to the next
  first: u32, // the pair of the first
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec2f>;

override WEIGHT: u32 = 0u;
override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  zero_bits = params.zero;
  if (id.x >= params.lines) {
    return;
  }
  var sum = sums[params.first + id.x];
  for (var i = 0u; i < params.length; i++) {
    let number = params.at + id.x * params.across + i * params.along;
    sum = add_number(sum, abs(number_of(weight[word_of(number, WEIGHT)], number, WEIGHT)));
  }
  sums[params.first + id.x] = sum;
}
