"""lm-evaluation-harness on a whole model: its Hugging Face backend in F32 on all cores, by a batch size of its own kinds (a
number, or `auto`). Asked for tasks, a folder with their sets as parquet files (in place of the Hub), and how many documents of
each, it answers with the seconds on the clock and of all cores (model and sets already loaded), the process's peak memory, and
each task's accuracy.
One question a process: the peak is the process's.

Runs `lm_eval` 0.4.13 (MIT), whose own tasks are asked; only where their rows come from is said here. Written for Pare, MIT."""

import os
import resource
import sys
import time

from serve import say, serve

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

try:
    import lm_eval
    import torch
    import transformers
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
except ImportError as error:
    say({"missing": f"{error}; set PARE_PYTHON to a Python that has it"})
    raise SystemExit

path, batch, most = sys.argv[1:]
model = HFLM(pretrained=path, dtype="float32", device="cpu", batch_size=batch, max_batch_size=int(most))


def ask(tasks, data, limit):
    def rows(name):
        file = os.path.join(data, f"{name}.parquet")
        files = {split: file for split in ("train", "validation", "test")}  # without examples only one is asked
        return {"task": name, "dataset_path": "parquet", "dataset_name": None, "dataset_kwargs": {"data_files": files}}

    # A group's members are the harness's own tasks, but for what is said of them.
    loaded = TaskManager().load([{"group": "bench", "task": [rows(name) for name in tasks]}])["tasks"]
    start, cpu = time.perf_counter(), time.process_time()
    results = lm_eval.simple_evaluate(
        model=model, tasks=list(loaded.values()), limit=limit, bootstrap_iters=0, log_samples=False
    )["results"]
    return {
        "seconds": time.perf_counter() - start,
        "cpuSeconds": time.process_time() - cpu,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "acc": {name.split(":")[-1]: results[name]["acc,none"] for name in loaded},
    }


kind = f"batches of {batch}" if batch != "auto" else f"automatic batches of up to {most}"
say({"name": f"lm-evaluation-harness {lm_eval.__version__}, transformers {transformers.__version__}, {kind}, "
     f"{torch.get_num_threads()} threads"})
serve(ask)
