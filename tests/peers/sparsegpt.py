"""The published SparseGPT of one linear (Frantar & Alistarh, 2023, algorithm 1), stated again in PyTorch: dead columns,
damping, the factor of the inverse by Cholesky, inverse and Cholesky, then the loop over columns by blocks of 128 with a
threshold over each block by a full sort. The published code's own numbers stand in its defaults.

Restates `fasterprune` of github.com/IST-DASLab/sparsegpt at commit f5c2500 (Apache-2.0), as github.com/locuslab/wanda has
it at commit 8e8fc87 (MIT): the same steps in the same order, so that its time can stand for theirs. Written for Pare, MIT."""

import torch


def prune(weight, hessian, sparsity, damping=0.01, width=128):
    """The pruned weight; the Hessian is changed."""
    weight = weight.clone()
    rows, cols = weight.shape
    diagonal = torch.arange(cols)
    dead = hessian[diagonal, diagonal] == 0
    hessian[dead, dead] = 1
    weight[:, dead] = 0
    hessian[diagonal, diagonal] += damping * hessian[diagonal, diagonal].mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    upper = torch.linalg.cholesky(inverse, upper=True)
    for first in range(0, cols, width):
        end = min(first + width, cols)
        block, factor = weight[:, first:end].clone(), upper[first:end, first:end]
        kept, errors = torch.zeros_like(block), torch.zeros_like(block)
        score = block**2 / torch.diag(factor).reshape(1, -1) ** 2
        threshold = torch.sort(score.flatten())[0][int(score.numel() * sparsity)]
        removed = score <= threshold
        for j in range(end - first):
            column = block[:, j].clone()
            column[removed[:, j]] = 0
            error = (block[:, j] - column) / factor[j, j]
            block[:, j:] -= error.unsqueeze(1) @ factor[j, j:].unsqueeze(0)
            kept[:, j], errors[:, j] = column, error
        weight[:, first:end] = kept
        weight[:, end:] -= errors @ upper[first:end, end:]
    return weight
