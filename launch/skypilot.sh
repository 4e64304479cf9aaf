#!/usr/bin/env bash
# Trains on NODES machines of a cloud that SkyPilot selects.
#
#   launch/skypilot.sh [--dry_run] FLAGS...   ACCELERATORS=H100:8 NODES=1 SPOT=true
#
# FLAGS are those of `python -m stereojax.train`; --workdir and --data must be in a bucket,
# gs://.., because other machines resume the run when these are taken away. SkyPilot copies
# the parent folder of this script, and SETUP installs it. JOB_NAME names the job. A
# preempted run saves and exits with 75, which counts as an error: SkyPilot restarts it, up
# to RESTARTS=100 times. --dry_run prints the command and the task, and runs nothing.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

nodes=${NODES:-1}
setup=${SETUP:-"pip install '.[cuda,gcs]'"}
printf -v training '%q ' python -m stereojax.train "${flags[@]}" --preempted_exit_code=75
if [[ $nodes -gt 1 ]]; then
  # shellcheck disable=SC2016  # expanded on the machines
  training+='--coordinator_address="$(head -n1 <<<"$SKYPILOT_NODE_IPS"):6006" '
  # shellcheck disable=SC2016
  training+='--num_processes="$SKYPILOT_NUM_NODES" --process_id="$SKYPILOT_NODE_RANK"'
fi
task="name: ${JOB_NAME:-stereojax}
workdir: \"$(cd "$(dirname "$0")/.." && pwd)\"
num_nodes: $nodes
resources:
  accelerators: ${ACCELERATORS:-H100:8}
  use_spot: ${SPOT:-true}
  job_recovery: {max_restarts_on_errors: ${RESTARTS:-100}}
setup: |
  ${setup//$'\n'/$'\n'  }
run: |
  $training
"
command=(sky jobs launch --yes)
if [[ $dry_run == true ]]; then
  show "${command[@]}" TASK.yaml
  echo "$task"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
echo "$task" >"$folder/task.yaml"
show "${command[@]}" "$folder/task.yaml"
"${command[@]}" "$folder/task.yaml"
