#!/usr/bin/env python3
"""Perplexity of a model directory by transformers, f32, for comparison with `deno task eval --tokens`.

Usage: perplexity.py MODEL TOKENS.safetensors [WINDOWS]

TOKENS holds I32 "evaluation", windows x tokens. Needs torch, transformers (Apache-2.0) and safetensors. The protocol is Wanda's
(github.com/locuslab/wanda at commit 8e8fc87, `lib/eval.py`; MIT), stated again. Written for Pare, MIT.
"""
import json
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
windows = load_file(sys.argv[2])["evaluation"].long()
if len(sys.argv) > 3:
    windows = windows[: int(sys.argv[3])]
losses = []
with torch.no_grad():
    for window in windows:
        logits = model(window[None]).logits[0].double()
        losses.append(torch.nn.functional.cross_entropy(logits[:-1], window[1:]).item())
mean = sum(losses) / len(losses)
print(json.dumps({"perplexity": float(torch.tensor(mean, dtype=torch.float64).exp()), "windows": len(windows)}))
