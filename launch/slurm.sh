#!/usr/bin/env bash
# Training on a Slurm cluster: one process a node, all its GPUs; jax finds the others.
#
#   launch/slurm.sh [--dry_run] FLAGS...   NODES=1 GPUS=8 HOURS=24 PARTITION=..
#
# FLAGS are those of `python -m stereojax.train`; --workdir is on a disk that every node
# sees. The job is put back into the queue when it is taken off its nodes: Slurm's
# SIGTERM makes it save. --dry_run prints the command and submits nothing.
set -euo pipefail

dry_run=false
if [[ ${1:-} == --dry_run ]]; then
  dry_run=true
  shift
fi
if [[ $# -eq 0 ]]; then
  sed -n '2,/^set /p' "$0" | sed -e '/^set /d' -e 's/^# \{0,1\}//' >&2
  exit 2
fi
printf -v training '%q ' srun --kill-on-bad-exit=1 \
  "${PYTHON:-python}" -m stereojax.train "$@"
command=(
  sbatch
  --job-name="${JOB_NAME:-stereojax}"
  --nodes="${NODES:-1}"
  --ntasks-per-node=1
  --gpus-per-node="${GPUS:-8}"
  --cpus-per-task="${CPUS:-32}"
  --time="${HOURS:-24}:00:00"
  --requeue
  --open-mode=append
  --signal=TERM@120
)
if [[ -n "${PARTITION:-}" ]]; then
  command+=(--partition="$PARTITION")
fi
command+=(--wrap="$training")
printf '%q ' "${command[@]}"
echo
if [[ $dry_run == false ]]; then
  exec "${command[@]}"
fi
