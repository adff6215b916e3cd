"""One step of LoRA by PyTorch and PEFT, in answer to every line: its CPU seconds, all threads together, and its wall time.
Arguments: a model's directory, tokens of the one window. F32, r 8, alpha 16, q_proj and v_proj, AdamW."""
import json
import os
import sys
import time

try:
    import torch
    import peft
    import transformers
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit()

directory, tokens = sys.argv[1], int(sys.argv[2])
threads = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
torch.set_num_threads(threads)
model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
model = peft.get_peft_model(model, peft.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "v_proj"]))
trained = [one for one in model.parameters() if one.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
ids = (torch.arange(tokens).reshape(1, tokens) * 7919 + 13) % model.config.vocab_size


def step():
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss)


print(json.dumps({"name": f"PyTorch {torch.__version__} with PEFT {peft.__version__}", "threads": threads}), flush=True)
for line in sys.stdin:
    cpu, wall = time.process_time(), time.perf_counter()
    loss = step()
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "loss": loss}), flush=True)
