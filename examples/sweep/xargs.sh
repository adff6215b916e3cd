#!/usr/bin/env bash
# A sweep on one machine: so many plans at a time, each with its share of the cores. Run again, it does what is missing.
#   examples/sweep/xargs.sh sweep.jsonl 2
set -euo pipefail
plans=$(realpath "$1") at_once=${2:-2} records=$(dirname "$(realpath "$1")")/records
count=$(grep -c . "$plans")
cores=$(getconf _NPROCESSORS_ONLN) workers=$((cores / at_once > 0 ? cores / at_once : 1))
cd "$(dirname "$0")/../.."

# GNU parallel does the same: seq 0 $((count - 1)) | parallel -j "$at_once" deno task prune --plans "$plans" --index {} …
seq 0 $((count - 1)) | xargs -P "$at_once" -I{} \
  deno task prune --plans "$plans" --index {} --resume --runs "$records/" --workers "$workers" --progress none
deno task collect "$records"
