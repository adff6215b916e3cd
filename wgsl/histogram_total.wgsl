// Counts as two F32 each, whose sum they are: of up to 24 bits the first is all. One thread a bin.
// Bindings: 0 parameters; 1 state of histogram.wgsl; 2 out, F32 2 x bins, or one row of it.
struct Params {
  bins: u32,
  first: u32, // row in this tile
  rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override THREADS: u32 = 64u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.bins) {
    return;
  }
  // More than 24 bits are parted from the 8 below them: exact, whatever a device's rounding is.
  let count = state[1u + id.x];
  let rest = select(0u, count & 0xffu, count >= 0x1000000u);
  let high = f32(count - rest);
  let low = f32(rest);
  for (var row = 0u; row < params.rows; row++) {
    out[row * params.bins + id.x] = select(low, high, params.first + row == 0u);
  }
}
