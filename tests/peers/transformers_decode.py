"""Text token by token by transformers in PyTorch, on all cores. Asked for a model directory, a dtype, a prompt's ids and a number
of tokens, it writes the likeliest ones and answers with their ids and the seconds that the prompt and the text took.

The models are those of transformers (Apache-2.0). Written for Pare, MIT."""

import time

from serve import say, serve

try:
    import torch
    import transformers
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
loaded = {}  # a process holds one


@torch.no_grad()
def write(model, dtype, ids, tokens, **_):
    if (model, dtype) not in loaded:
        kind = getattr(torch, dtype)
        loaded[model, dtype] = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=kind).eval()
    network = loaded[model, dtype]
    begun = time.perf_counter()
    step = network(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
    written = [int(step.logits[0, -1].argmax())]
    read = time.perf_counter()
    while len(written) < tokens:
        step = network(torch.tensor([written[-1:]]), past_key_values=step.past_key_values, use_cache=True)
        written.append(int(step.logits[0, -1].argmax()))
    return {"ids": written, "promptSeconds": read - begun, "seconds": time.perf_counter() - read}


say({"name": f"transformers {transformers.__version__}, PyTorch {torch.__version__.split('+')[0]}"})
serve(write)
