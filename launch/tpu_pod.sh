#!/usr/bin/env bash
# Trains on all hosts of a Cloud TPU slice; JAX connects them.
#
#   launch/tpu_pod.sh [--dry_run] FLAGS...   TPU=name ZONE=zone PROJECT=..
#
# FLAGS are those of `python -m stereojax.train`; --workdir, --data and --weights_dir must
# be in a bucket, gs://.., or on storage that all hosts share. Each host must have this
# project installed in DIR, with the extras `tpu` and `gcs`. --dry_run prints the command
# and runs nothing.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

need TPU "the name of the slice"
need ZONE "the zone of the slice"
printf -v training '%q ' "${PYTHON:-python3}" -m stereojax.train "${flags[@]}"
command=(gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all)
if [[ -n "${PROJECT:-}" ]]; then
  command+=(--project="$PROJECT")
fi
command+=(--command="cd ${DIR:-stereojax} && $training")
show "${command[@]}"
if [[ $dry_run == false ]]; then
  exec "${command[@]}"
fi
