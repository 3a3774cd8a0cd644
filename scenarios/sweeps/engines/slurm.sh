#!/usr/bin/env bash
#SBATCH --job-name=rollout-sim
#SBATCH --array=0-7
#SBATCH --cpus-per-task=2
#SBATCH --time=01:00:00
#SBATCH --requeue
# A sweep as a Slurm array: `sbatch slurm.sh sweep.toml`, then `sim merge shards/*`. `--shard auto` reads the number of the
# task from the environment. A task that is preempted gets SIGTERM, ends with 143 and goes on when it is started again:
# --resume. With --shards, a single one can be started again, too: `sbatch --array=3 slurm.sh sweep.toml`.
set -euo pipefail
output="shards/$SLURM_ARRAY_TASK_ID"
exec sim sweep "$1" --resume --exit-zero --threads "$SLURM_CPUS_PER_TASK" --shard auto --shards 8 --output "$output"
