#!/usr/bin/env bash
# Training on every host of a Cloud TPU slice; they find each other.
#
#   launch/tpu_pod.sh [--dry_run] FLAGS...   TPU=name ZONE=zone PROJECT=..
#
# FLAGS are those of `python -m stereojax.train`; --workdir is on a disk that every host
# sees: Filestore, or a bucket that gcsfuse has mounted there. --data may be gs:// as well.
# The hosts have this project installed in DIR, with the extra `tpu`. --dry_run prints the
# command and runs nothing.
set -euo pipefail

dry_run=false
for word in "$@"; do
  shift
  if [[ $word == --dry_run ]]; then
    dry_run=true
  else
    set -- "$@" "$word"
  fi
done
if [[ $# -eq 0 ]]; then
  sed -n '2,/^set /p' "$0" | sed -e '/^set /d' -e 's/^# \{0,1\}//' >&2
  exit 2
fi
for name in TPU ZONE; do
  if [[ -z "${!name:-}" ]]; then
    echo "error: $name is not set; expected the name and the zone of the slice" >&2
    exit 2
  fi
done
printf -v training '%q ' "${PYTHON:-python3}" -m stereojax.train "$@"
command=(gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all)
if [[ -n "${PROJECT:-}" ]]; then
  command+=(--project="$PROJECT")
fi
command+=(--command="cd ${DIR:-stereojax} && $training")
printf '%q ' "${command[@]}"
echo
if [[ $dry_run == false ]]; then
  exec "${command[@]}"
fi
