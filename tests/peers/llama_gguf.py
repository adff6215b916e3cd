"""Writes a LLaMA-like model directory as a GGUF file, for llama.cpp: its linears and its embedding as F16 or Q8_0, its norms as
F32. Asked for a directory, a kind and a file to write, it answers with the file's bytes.

The names, and the order of the rows of q and k, are those of llama.cpp's convert_hf_to_gguf.py (MIT); the quantisation is the
gguf package's own. Written for Pare, MIT."""

import json
import os
from pathlib import Path

from serve import say, serve

try:
    import gguf
    import numpy as np
    from safetensors.numpy import load_file
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
ENDS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def named(name):
    stem = name.removesuffix(".weight")
    if stem in ENDS:
        return f"{ENDS[stem]}.weight"
    _, _, block, part = stem.split(".", 3)
    return f"blk.{block}.{BLOCK[part]}.weight"


def interleaved(weight, heads):
    """llama.cpp turns neighbours, where the model turns halves."""
    rows, cols = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def write(model, kind, out):
    config = json.loads(Path(model, "config.json").read_text())
    tokenizer = json.loads(Path(model, "tokenizer.json").read_text())
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.get("rope_theta") or config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    words = {id: word for word, id in tokenizer["model"]["vocab"].items()}
    special = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    words |= special
    ids = range(config["vocab_size"])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([words.get(id, f"[unused{id}]") for id in ids])
    writer.add_token_types([gguf.TokenType.CONTROL if id in special else gguf.TokenType.NORMAL for id in ids])
    writer.add_token_merges(merges)
    end = config["eos_token_id"]
    writer.add_eos_token_id(end[0] if isinstance(end, list) else end)
    writer.add_add_bos_token(False)
    quantized = gguf.GGMLQuantizationType[kind]
    for file in sorted(Path(model).glob("*.safetensors")):
        for name, weight in load_file(file).items():
            if name == "lm_head.weight" and config["tie_word_embeddings"]:
                continue
            weight = weight.astype(np.float32)
            if ".q_proj." in name or ".k_proj." in name:
                weight = interleaved(weight, heads if ".q_proj." in name else kv_heads)
            if weight.ndim == 1:
                writer.add_tensor(named(name), weight)
            else:
                writer.add_tensor(named(name), gguf.quants.quantize(weight, quantized), raw_dtype=quantized)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {"bytes": os.path.getsize(out)}


say({"name": "gguf"})
serve(write)
