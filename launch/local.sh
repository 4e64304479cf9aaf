#!/usr/bin/env bash
# Trains on all devices of this machine; restarts after a crash, up to RETRIES times.
#
#   launch/local.sh [--dry_run] FLAGS...   RETRIES=0
#
# FLAGS are those of `python -m stereojax.train`: --config, --workdir, --data, ...
# --dry_run prints the command and runs nothing. DEVICES=0,1 uses only these GPUs.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

command=(env)
if [[ -n "${DEVICES:-}" ]]; then
  command+=("CUDA_VISIBLE_DEVICES=$DEVICES")
fi
command+=("${PYTHON:-python}" -m stereojax.train "${flags[@]}")
show "${command[@]}"
if [[ $dry_run == true ]]; then
  exit 0
fi
if [[ ${RETRIES:-0} -eq 0 ]]; then
  exec "${command[@]}"
fi
stopping=false
child=""
trap 'stopping=true; [[ -z $child ]] || kill -TERM "$child" || true' TERM
for ((left = RETRIES; ; left--)); do
  code=0
  "${command[@]}" &
  child=$!
  [[ $stopping == false ]] || kill -TERM "$child"
  wait "$child" || code=$?
  if [[ $stopping == true ]]; then
    # The signal ended the first wait; wait again until the run has saved.
    code=0
    wait "$child" || code=$?
    exit "$code"
  fi
  # No retry after 2, a wrong flag, and 130, an interrupt.
  if [[ $code -eq 0 || $code -eq 2 || $code -eq 130 || $left -le 0 ]]; then
    exit "$code"
  fi
done
