#!/usr/bin/env bash
# Training on all devices of this machine; again after a crash, up to RETRIES times.
#
#   launch/local.sh [--dry_run] FLAGS...   RETRIES=0
#
# FLAGS are those of `python -m stereojax.train`: --config, --workdir, --data, ...
# --dry_run prints the command and runs nothing. DEVICES=0,1 uses these GPUs alone.
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
command=(env)
if [[ -n "${DEVICES:-}" ]]; then
  command+=("CUDA_VISIBLE_DEVICES=$DEVICES")
fi
command+=("${PYTHON:-python}" -m stereojax.train "$@")
printf '%q ' "${command[@]}"
echo
if [[ $dry_run == true ]]; then
  exit 0
fi
for ((left = ${RETRIES:-0}; ; left--)); do
  code=0
  "${command[@]}" || code=$?
  # 2 is a wrong flag, which stays wrong; 130 an interrupt.
  if [[ $code -eq 0 || $code -eq 2 || $code -eq 130 || $left -le 0 ]]; then
    exit "$code"
  fi
done
