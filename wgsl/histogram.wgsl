// Counts of magnitudes in bins of equal width, in two passes: the greatest magnitude, then (COUNTS) the bin of every
// number. A bin is found in whole numbers: a magnitude is m * 2^e with m of 24 bits, so bins * m / 2^(its distance from
// the greatest's exponent), divided by the greatest's m, is exact.
// Bindings: 0 parameters; 1 values, stored as VALUES says; 2 state: the bits of the greatest, then the counts. A workgroup
// a block of numbers.
struct Params {
  first: u32, // number of the tile
  numbers: u32,
  block: u32, // numbers of a workgroup
  bins: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<atomic<u32>>;

override VALUES: u32 = 0u;
override COUNTS: bool = false;
override THREADS: u32 = 64u;

var<workgroup> counts: array<atomic<u32>, 256>;

fn whole(bits: u32) -> u32 {
  return (bits & 0x7fffffu) | select(0x800000u, 0u, bits < 0x800000u);
}

fn exponent(bits: u32) -> u32 {
  return max(bits >> 23u, 1u);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let begin = (group.y * groups.x + group.x) * params.block;
  let end = min(begin + params.block, params.numbers);
  let most = atomicLoad(&state[0]);
  var greatest = 0u;
  for (var i = begin + lane; i < end; i += THREADS) {
    let number = params.first + i;
    let bits = bits_of(values[word_of(number, VALUES)], number, VALUES) & 0x7fffffffu;
    if (COUNTS) {
      var bin = 0u;
      let away = exponent(most) - exponent(bits);
      if (most > 0u && away < 32u) {
        bin = min(((whole(bits) * params.bins) >> away) / whole(most), params.bins - 1u);
      }
      atomicAdd(&counts[bin], 1u);
    } else {
      greatest = max(greatest, bits);
    }
  }
  if (COUNTS) {
    workgroupBarrier();
    for (var bin = lane; bin < params.bins; bin += THREADS) {
      atomicAdd(&state[1u + bin], atomicLoad(&counts[bin]));
    }
  } else {
    atomicMax(&state[0], greatest);
  }
}
