// dx = dy f'(x); or, GATED, dx = dy up f'(x) and dup = dy f(x), elementwise; FUNCTION says which f, as in activate.wgsl.
// Bindings: 0 parameters; 1 x; 2 up (without one: x again); 3 dy; 4 dx; 5 dup (without: not bound), all F32 of `count`
// numbers. One thread a number, as in add.wgsl.
struct Params {
  count: u32,
  by: f32, // the factor, or the cap
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dup: array<f32>;

override THREADS: u32 = 64u;

// 1 / (1 + exp(-z)), which never overflows.
fn sigmoid(z: f32) -> f32 {
  let e = exp(-abs(z));
  return select(e, 1.0, z >= 0.0) / (1.0 + e);
}

// The value and the derivative. Where a square or a product would overflow x is held: the derivative is flat there.
fn both(g: f32) -> vec2f {
  let held = clamp(g, -20.0, 20.0);
  switch FUNCTION {
    case SILU: {
      let s = sigmoid(g);
      return vec2f(g * s, s + held * (s * sigmoid(-g)));
    }
    case GELU: {
      let tail = normal_tail(g);
      let share = select(tail, 1.0 - tail, g > 0.0);
      return vec2f(gelu(g), share + held * (0.3989423 * exp(-0.5 * (held * held))));
    }
    case GELU_TANH: {
      let square = 0.071354814 * (held * held);
      let z = held * (1.5957691 + square);
      let s = sigmoid(z);
      return vec2f(g * s, s + held * (s * sigmoid(-z)) * (1.5957691 + 3.0 * square));
    }
    case RELU: { return vec2f(max(g, 0.0), select(0.0, 1.0, g > 0.0)); }
    case SCALE: { return vec2f(g * params.by, params.by); }
    default: {
      let t = precise_tanh(g / params.by);
      return vec2f(params.by * t, (1.0 - t) * (1.0 + t));
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * THREADS + lane;
  if (i >= params.count) {
    return;
  }
  let own = both(x[i]);
  if (GATED == 1u) {
    dx[i] = dy[i] * up[i] * own.y;
    dup[i] = dy[i] * own.x;
  } else {
    dx[i] = dy[i] * own.y;
  }
}
