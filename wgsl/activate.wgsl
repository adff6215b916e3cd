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

override THREADS: u32 = 64u;

// g / (1 + exp(-z)), which never overflows.
fn gated(g: f32, z: f32) -> f32 {
  let e = exp(-abs(z));
  return g * select(e, 1.0, z >= 0.0) / (1.0 + e);
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
