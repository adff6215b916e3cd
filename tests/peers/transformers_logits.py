"""Logits of a model directory by transformers (AutoModelForCausalLM, F32 arithmetic, eager attention). Asked for a directory,
token ids (sequences of one length) and a file to write, it writes the logits there, F32 sequences x tokens x vocabulary, and
answers with the model's class and the names of tensors that it missed, that it left alone, and that had another shape.

The models are those of transformers (Apache-2.0). Written for Pare, MIT."""

from serve import say, serve

try:
    import torch
    import transformers
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@torch.no_grad()
def logits(model, tokens, out):
    plain = {"attn_implementation": "eager", "output_loading_info": True}
    loaded, info = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, **plain)
    values = loaded.eval()(torch.tensor(tokens), use_cache=False).logits
    values.float().contiguous().numpy().tofile(out)
    names = {key: sorted(map(str, info[f"{key}_keys"])) for key in ("missing", "unexpected", "mismatched")}
    return {"model": type(loaded).__name__, **names}


say({"name": f"transformers {transformers.__version__}, PyTorch {torch.__version__.split('+')[0]}"})
serve(logits)
