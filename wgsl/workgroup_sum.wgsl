// Module: sums over a workgroup of THREADS threads.
override THREADS: u32 = 64u;
var<workgroup> parts: array<f32, THREADS>;

// The sum of all threads' parts.
fn total(part: f32, lane: u32) -> f32 {
  workgroupBarrier();
  parts[lane] = part;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < THREADS; i++) {
    sum += parts[i];
  }
  return sum;
}
