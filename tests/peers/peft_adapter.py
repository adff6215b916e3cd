"""Logits of a model with LoRA adapters, by PEFT (PeftModel.from_pretrained on transformers' model, F32 arithmetic, eager
attention). Asked for the base's directory, the adapters', token ids (sequences of one length) and a file to write, it writes
the logits there, F32 sequences x tokens x vocabulary, and answers with how many modules were adapted and what was missing.

PEFT and transformers are Hugging Face's (Apache-2.0). Written for Pare, MIT."""

import warnings

from serve import say, serve

try:
    import peft
    import torch
    import transformers
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@torch.no_grad()
def logits(base, adapter, tokens, out):
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model = peft.PeftModel.from_pretrained(model, adapter).eval()
    values = model(torch.tensor(tokens), use_cache=False).logits
    values.float().contiguous().numpy().tofile(out)
    adapted = sum("lora_A" in name for name, _ in model.named_parameters())
    return {"adapted": adapted, "warnings": [str(one.message) for one in warned if "adapter" in str(one.message)]}


say({"name": f"peft {peft.__version__}, transformers {transformers.__version__}"})
serve(logits)
