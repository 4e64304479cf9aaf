#!/usr/bin/env bash
# Trains on a Slurm cluster, with one process per node for all GPUs of the node.
#
#   launch/slurm.sh [--dry_run] FLAGS...   NODES=1 GPUS=8 HOURS=24 PARTITION=..
#
# FLAGS are those of `python -m stereojax.train`; --workdir must be on storage that all
# nodes share. Slurm sends SIGTERM two minutes before the time limit, and on preemption:
# the run saves and exits with 75, the job is queued again, and the run resumes in the same
# folder. --dry_run prints the command and submits nothing.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

printf -v training '%q ' srun --kill-on-bad-exit=1 \
  "${PYTHON:-python}" -m stereojax.train "${flags[@]}" --preempted_exit_code=75
# shellcheck disable=SC2016  # expanded in the job
{
  # By itself, Slurm requeues a job only on preemption.
  training+='|| code=$?; [ "${code:-0}" -ne 75 ] || scontrol requeue "$SLURM_JOB_ID"; '
  training+='exit "${code:-0}"'
}
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
show "${command[@]}"
if [[ $dry_run == false ]]; then
  exec "${command[@]}"
fi
