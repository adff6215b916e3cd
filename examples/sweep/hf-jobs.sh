#!/usr/bin/env bash
# A sweep on Hugging Face Jobs: a job for every plan, on an image of the Containerfile that the Hub can pull. Jobs have no
# volume in common: each writes to its own disk and uploads what it made with the Hub's command line, which is to be in the
# image. Not tried by Pare's tests, which have no account; `hf jobs run --help` has the flavours.
#   HF_TOKEN=… examples/sweep/hf-jobs.sh https://…/sweep.jsonl my-name/pruned registry.example/pare:0.1.0 10
set -euo pipefail
plans=$1 repository=$2 image=$3 count=$4
for ((index = 0; index < count; index++)); do
  hf jobs run --detach --flavor cpu-upgrade --secrets HF_TOKEN "$image" bash -c "
    curl -fsSLo /tmp/sweep.jsonl '$plans' &&
    pare prune --plans /tmp/sweep.jsonl --index $index --runs /tmp/records/ &&
    hf upload '$repository' /tmp/pruned pruned && hf upload '$repository' /tmp/records records"
done
