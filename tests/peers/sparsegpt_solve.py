"""SparseGPT's whole solve of one linear in PyTorch F32 on all cores (`sparsegpt.py`). Asked for rows, columns and a
sparsity; answers with the seconds from weight and Hessian to the pruned weight, and the number of zeros. Written for Pare, MIT."""

import time

from serve import say, serve

try:
    import torch
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

from sparsegpt import prune

torch.manual_seed(0)
dense = {}


@torch.no_grad()
def solve(rows, cols, sparsity):
    if (rows, cols) not in dense:
        dense.clear()
        inputs = torch.randn(2 * cols, cols)
        dense[rows, cols] = torch.randn(rows, cols), inputs.t() @ inputs / cols
    weight, hessian = dense[rows, cols]
    hessian = hessian.clone()
    start = time.perf_counter()
    pruned = prune(weight, hessian, sparsity)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "zeros": int((pruned == 0).sum())}


say({"name": f"PyTorch {torch.__version__.split('+')[0]}, {torch.get_num_threads()} threads"})
serve(solve)
