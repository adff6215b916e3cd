#!/usr/bin/env bash
# A sweep on Hugging Face Jobs: a job for every plan. Jobs have no volume in common: each fetches the plans from a repository
# on the Hub, writes to its own disk, and uploads what it made there, with the Hub's command line. Its image is one that the Hub
# can pull, the Containerfile's and that:
#   FROM pare:0.1.0
#   USER root
#   RUN apt-get update && apt-get install -y --no-install-recommends pipx && \
#     PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install huggingface_hub
#   USER 1993:1993
# Not tried by Pare's tests, which have no account; `hf jobs run --help` has the flavours.
#   hf upload my-name/pruned sweep.jsonl && HF_TOKEN=… examples/sweep/hf-jobs.sh my-name/pruned registry.example/pare-hf:0.1.0 10
set -euo pipefail
repository=$1 image=$2 count=$3
pare='deno run --allow-all --no-prompt --cached-only --frozen /pare/scripts/pare.ts'
for ((index = 0; index < count; index++)); do
  hf jobs run --detach --flavor cpu-upgrade --secrets HF_TOKEN "$image" bash -c "
    hf download '$repository' sweep.jsonl --local-dir /tmp &&
    $pare prune --plans /tmp/sweep.jsonl --index $index --runs /tmp/records/ &&
    hf upload '$repository' /tmp/pruned pruned && hf upload '$repository' /tmp/records records"
done
