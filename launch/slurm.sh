#!/usr/bin/env bash
# Training on a Slurm cluster: one process a node with all its GPUs; they find each other.
#
#   launch/slurm.sh [--dry_run] FLAGS...   NODES=1 GPUS=8 HOURS=24 PARTITION=..
#
# FLAGS are those of `python -m stereojax.train`; --workdir is on a disk that every node
# sees. Slurm's SIGTERM makes a run save and end with 75: two minutes before its time is
# over, and when it is taken off its nodes. Then the job goes back into the queue, and
# from there on with the same folder. --dry_run prints the command and submits nothing.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

printf -v training '%q ' srun --kill-on-bad-exit=1 \
  "${PYTHON:-python}" -m stereojax.train "${flags[@]}" --preempted_exit_code=75
# shellcheck disable=SC2016  # for the job's shell
{
  # Of its own, Slurm puts a job back only when it takes the nodes.
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
