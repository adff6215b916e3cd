"""The published procedures of Wanda and SparseGPT on a whole model, stated again in PyTorch and transformers: F32 on all
cores, one sequence at a time through one block at a time; observed by hooks, pruned by a full sort (`sparsegpt.py` for
the solve), run again to feed the next block. Asked for a method and a file of token ids, it answers with the seconds (the
model already loaded, nothing written), those of pruning alone, the process's peak memory and the number of zeros in the
pruned linears. One question a process: the model is changed.

Restates `prune_wanda` and `prune_sparsegpt` of github.com/locuslab/wanda at commit 8e8fc87 (MIT); the models are those of
transformers (Apache-2.0). Written for Pare, MIT."""

import resource
import sys
import time

from serve import say, serve

try:
    import torch
    import transformers
    from safetensors.torch import load_file
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

import sparsegpt

path, attention = sys.argv[1:]
transformers.logging.set_verbosity_error()
model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation=attention)
model.config.use_cache = False
model.eval()


class Found(Exception):
    """Stops a forward pass once the first block's input is known."""


def first_inputs(ids):
    """The hidden states that every sequence enters the first block with, and what else a block is called with."""
    layers = model.model.layers
    states, extra = [], {}
    first = layers[0].forward

    def catch(hidden, *_, **keywords):
        states.append(hidden)
        extra.update(keywords)
        raise Found

    layers[0].forward = catch
    for sequence in ids:
        try:
            model(sequence[None])
        except Found:
            pass
    layers[0].forward = first
    return torch.cat(states), extra


def run(block, states, out, extra):
    for j in range(len(states)):
        result = block(states[j : j + 1], **extra)
        out[j] = (result[0] if isinstance(result, tuple) else result).reshape(out[j].shape)


class Wanda:
    """The running mean over sequences of the column sums of squares of a linear's input, and a mask by it."""

    def __init__(self, linear):
        self.weight = linear.weight.data
        self.row = torch.zeros(linear.in_features)
        self.sequences = 0

    def hook(self, _module, inputs, _output):
        x = inputs[0].reshape(-1, inputs[0].shape[-1]).t()
        self.row *= self.sequences / (self.sequences + 1)
        self.sequences += 1
        self.row += torch.norm(x, p=2, dim=1) ** 2 / self.sequences

    def prune(self, sparsity):
        metric = self.weight.abs() * self.row.reshape(1, -1).sqrt()
        removed = torch.zeros_like(metric, dtype=torch.bool)
        order = torch.sort(metric, dim=-1, stable=True)[1]
        removed.scatter_(1, order[:, : int(self.weight.shape[1] * sparsity)], True)
        self.weight[removed] = 0


class SparseGPT:
    """The running mean over sequences of twice the second moment of a linear's input, and the solve with it."""

    def __init__(self, linear):
        self.weight = linear.weight.data
        self.hessian = torch.zeros(linear.in_features, linear.in_features)
        self.sequences = 0

    def hook(self, _module, inputs, _output):
        x = inputs[0].reshape(-1, inputs[0].shape[-1]).t()
        self.hessian *= self.sequences / (self.sequences + 1)
        self.sequences += 1
        x = (2 / self.sequences) ** 0.5 * x
        self.hessian += x @ x.t()

    def prune(self, sparsity):
        self.weight.copy_(sparsegpt.prune(self.weight, self.hessian, sparsity))


METHODS = {"wanda": Wanda, "sparsegpt": SparseGPT}


@torch.no_grad()
def prune(tokens, method, sparsity):
    ids = load_file(tokens)["calibration"].long()
    start = time.perf_counter()
    pruning = 0
    states, extra = first_inputs(ids)
    out = torch.zeros_like(states)
    linears = []
    for block in model.model.layers:
        subset = [module for module in block.modules() if isinstance(module, torch.nn.Linear)]
        pruners = [METHODS[method](linear) for linear in subset]
        hooks = [linear.register_forward_hook(pruner.hook) for linear, pruner in zip(subset, pruners)]
        run(block, states, out, extra)
        for hook in hooks:
            hook.remove()
        before = time.perf_counter()
        for pruner in pruners:
            pruner.prune(sparsity)
        pruning += time.perf_counter() - before
        run(block, states, out, extra)
        states, out = out, states
        linears += subset
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "pruningSeconds": pruning,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "zeros": sum(int((linear.weight == 0).sum()) for linear in linears),
    }


threads = torch.get_num_threads()
say({"name": f"PyTorch {torch.__version__.split('+')[0]}, {attention} attention, {threads} threads"})
serve(prune)
