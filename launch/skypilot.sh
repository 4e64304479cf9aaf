#!/usr/bin/env bash
# Training on whatever cloud SkyPilot finds: NODES machines that join each other.
#
#   launch/skypilot.sh [--dry_run] FLAGS...   ACCELERATORS=H100:8 NODES=1 SPOT=true
#
# FLAGS are those of `python -m stereojax.train`; --workdir and --data are in a bucket,
# gs://..: the machines are taken away, and others go on from there. The project is what
# lies in this folder's parent; SETUP installs it. JOB_NAME names the job. --dry_run
# prints the command and the task that it is given, and runs nothing.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

nodes=${NODES:-1}
printf -v training '%q ' python -m stereojax.train "${flags[@]}"
if [[ $nodes -gt 1 ]]; then
  # shellcheck disable=SC2016  # for the machines' shells
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
setup: |
  ${SETUP:-pip install '.[cuda,gcs]'}
run: |
  $training
"
file=${TASK:-${TMPDIR:-/tmp}/${JOB_NAME:-stereojax}.yaml}
command=(sky jobs launch --yes "$file")
show "${command[@]}"
if [[ $dry_run == true ]]; then
  echo "$task"
  exit 0
fi
echo "$task" >"$file"
exec "${command[@]}"
