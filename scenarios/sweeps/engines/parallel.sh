#!/usr/bin/env bash
# A sweep on two processes of one machine, or with --sshlogin on several, by GNU parallel. A shard that was interrupted goes
# on where it was when the line is started again with --resume-failed and `--resume` behind `sim sweep`.
#
# Usage: parallel.sh SCENARIO [SHARDS]
set -euo pipefail
scenario="$1"
shards="${2:-8}"
last="$((shards - 1))"

seq 0 "$last" | parallel --jobs 2 --joblog jobs.tsv sim sweep "$scenario" --quiet --exit-zero --threads 1 --shard "{}/$shards" --output "shards/{}"
sim merge shards/*
