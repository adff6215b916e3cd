// Wanda's variant: one step of the bisection for alpha, from how many scores the last one removed.
// Bindings: 0 parameters; 1 search. One thread.
struct Params {
  fewest: u32, // removed scores that meet the sparsity: [fewest, most]
  most: u32,
}
struct Search {
  node: u32,
  done: u32,
  removed: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> search: Search;

@compute @workgroup_size(1)
fn main() {
  if (search.done == 1u) {
    return;
  }
  if (search.removed >= params.fewest && search.removed <= params.most) {
    search.done = 1u;
  } else {
    search.node = 2u * search.node + select(1u, 0u, search.removed > params.most);
  }
  search.removed = 0u;
}
