"""The published Wanda procedure on a whole model, stated again in PyTorch and transformers: F32 on all cores, one
sequence at a time through one block at a time; observed by hooks, masked by a full sort, run again to feed the next
block. Asked for a file of token ids, it answers with the seconds (the model already loaded, nothing written), the
process's peak memory and the number of zeros in the pruned linears. One question a process: the model is changed."""

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


class Statistic:
    """The running mean over sequences of the column sums of squares of a linear's input."""

    def __init__(self, linear):
        self.row = torch.zeros(linear.in_features)
        self.sequences = 0

    def hook(self, _module, inputs, _output):
        x = inputs[0].reshape(-1, inputs[0].shape[-1]).t()
        self.row *= self.sequences / (self.sequences + 1)
        self.sequences += 1
        self.row += torch.norm(x, p=2, dim=1) ** 2 / self.sequences


@torch.no_grad()
def prune(tokens, sparsity):
    ids = load_file(tokens)["calibration"].long()
    start = time.perf_counter()
    states, extra = first_inputs(ids)
    out = torch.zeros_like(states)
    linears = []
    for block in model.model.layers:
        subset = [module for module in block.modules() if isinstance(module, torch.nn.Linear)]
        statistics = [Statistic(linear) for linear in subset]
        hooks = [linear.register_forward_hook(s.hook) for linear, s in zip(subset, statistics)]
        run(block, states, out, extra)
        for hook in hooks:
            hook.remove()
        for linear, statistic in zip(subset, statistics):
            weight = linear.weight.data
            metric = weight.abs() * statistic.row.reshape(1, -1).sqrt()
            removed = torch.zeros_like(metric, dtype=torch.bool)
            order = torch.sort(metric, dim=-1, stable=True)[1]
            removed.scatter_(1, order[:, : int(weight.shape[1] * sparsity)], True)
            weight[removed] = 0
        run(block, states, out, extra)
        states, out = out, states
        linears += subset
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "zeros": sum(int((linear.weight == 0).sum()) for linear in linears),
    }


threads = torch.get_num_threads()
say({"name": f"PyTorch {torch.__version__.split('+')[0]}, {attention} attention, {threads} threads"})
serve(prune)
