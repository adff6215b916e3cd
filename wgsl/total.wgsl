// Adds the sum of numbers to one number.
// Bindings: 0 parameters; 1 numbers, F32; 2 out, F32. One thread.
struct Params {
  zero: u32, // see pairs.wgsl
  count: u32,
  first: u32,
  to: u32, // the number of out
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(1)
fn main() {
  zero_bits = params.zero;
  var sum = vec2f(out[params.to], 0.0);
  for (var i = 0u; i < params.count; i++) {
    sum = add_number(sum, numbers[params.first + i]);
  }
  out[params.to] = sum.x;
}
