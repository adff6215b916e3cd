"""Score and mask of one weight as the published Wanda computes them (section 3 of the paper; its metric, a full stable
sort of every row, a scattered mask), in PyTorch F32 on all cores. Asked for rows, columns and a sparsity; answers with
the seconds and the number of zeros.

Restates the metric and mask of `prune_wanda` of github.com/locuslab/wanda at commit 8e8fc87 (MIT). Written for Pare, MIT."""

import time

from serve import say, serve

try:
    import torch
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

torch.manual_seed(0)
dense = {}


@torch.no_grad()
def mask(rows, cols, sparsity):
    if (rows, cols) not in dense:
        dense[rows, cols] = torch.randn(rows, cols), torch.rand(cols) + 0.5
    weight, statistic = dense[rows, cols]
    weight = weight.clone()
    start = time.perf_counter()
    metric = weight.abs() * statistic.reshape(1, -1).sqrt()
    removed = torch.zeros_like(metric, dtype=torch.bool)
    order = torch.sort(metric, dim=-1, stable=True)[1]
    removed.scatter_(1, order[:, : int(cols * sparsity)], True)
    weight[removed] = 0
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "zeros": int((weight == 0).sum())}


say({"name": f"PyTorch {torch.__version__.split('+')[0]}, {torch.get_num_threads()} threads"})
serve(mask)
