#!/usr/bin/env bash
# A sweep on two processes of one machine, or with --sshlogin on several, by GNU parallel. Started again, a shard that was
# interrupted goes on where it was, one that was complete plays nothing, and one that had not begun begins: --resume.
#
# Usage: parallel.sh SCENARIO [SHARDS]
set -euo pipefail
scenario="$1"
shards="${2:-8}"
last="$((shards - 1))"

seq 0 "$last" | parallel --jobs 2 --joblog jobs.tsv sim sweep "$scenario" --quiet --resume --exit-zero --threads 1 --shard "{}/$shards" --output "shards/{}"
sim merge shards/*
