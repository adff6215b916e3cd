// out = f(x), or f(x) * up, elementwise; FUNCTION says which f.
// Bindings: 0 parameters; 1 x; 2 up (without one: x again); 3 out, all F32 of `count` numbers. One thread a number, as in
// add.wgsl.
struct Params {
  count: u32,
  by: f32, // the factor, or the cap
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SILU = 0u;
const GELU = 1u;
const GELU_TANH = 2u;
const RELU = 3u;
const SCALE = 4u;
const SOFT_CAP = 5u;

override FUNCTION: u32 = 0u;
override GATED: u32 = 0u;
override THREADS: u32 = 64u;

// g / (1 + exp(-z)), which never overflows.
fn gated(g: f32, z: f32) -> f32 {
  let e = exp(-abs(z));
  return g * select(e, 1.0, z >= 0.0) / (1.0 + e);
}

// x Φ(x), without cancellation on either side: max(x, 0) - |x| Φ(-|x|). Φ(-a) = exp(-a²/2) t P(t) with t = 1 / (1 + a/4)
// and P interpolated at the ten Chebyshev points of t for a in [0, 14], 1.5e-8 relative.
fn gelu(g: f32) -> f32 {
  let a = min(abs(g), 14.0); // beyond, the tail is less than the smallest f32
  let t = 1.0 / (1.0 + a * 0.25);
  let low = 0.09975179 + t * (0.09941662 + t * (0.09615087 + t * (0.069011636 + t * 0.09537557)));
  let high = -0.0036779593 + t * (0.048318084 + t * (0.036615256 + t * (-0.056345463 + t * 0.015383603)));
  let square = t * t;
  return max(g, 0.0) - a * (exp(-0.5 * (a * a)) * (t * (low + square * square * t * high)));
}

fn f(g: f32) -> f32 {
  switch FUNCTION {
    case SILU: { return gated(g, g); }
    case GELU: { return gelu(g); }
    case GELU_TANH: {
      // x / 2 (1 + tanh(u)) = x / (1 + exp(-2u)); held where the cube would overflow and the result is flat
      let held = clamp(g, -20.0, 20.0);
      return gated(g, held * (1.5957691 + 0.071354814 * (held * held)));
    }
    case RELU: { return max(g, 0.0); }
    case SCALE: { return g * params.by; }
    default: { return soft_cap(g, params.by); }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i < params.count) {
    if (GATED == 1u) {
      out[i] = f(x[i]) * up[i];
    } else {
      out[i] = f(x[i]);
    }
  }
}
