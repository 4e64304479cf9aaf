#!/usr/bin/env bash
# Runs `python -m data_prep` on a cluster, with the Beam options of its runner.
#
#   launch/data_prep.sh local    [--dry_run] FLAGS...   WORKERS=4
#   launch/data_prep.sh flink    [--dry_run] FLAGS...   FLINK_MASTER=host:8081
#   launch/data_prep.sh spark    [--dry_run] FLAGS...   SPARK_MASTER=spark://host:7077
#   launch/data_prep.sh dataflow [--dry_run] FLAGS...   PROJECT=.. REGION=.. BUCKET=..
#
# FLAGS are the flags of `python -m data_prep`: --config, --input, --output, ... All
# workers must be able to read the films and to write the output folder: use a shared
# disk, or gs:// and s3:// paths. --dry_run prints the command and runs nothing.
#
# Workers need this project. IMAGE names a container with this project and Beam's worker
# (FROM apache/beam_python3.11_sdk, RUN pip install '.[data]'); without IMAGE, flink and
# spark use the Python on their machines.
set -euo pipefail

usage() {
  sed -n '2,/^set /p' "$0" | sed -e '/^set /d' -e 's/^# \{0,1\}//' >&2
  exit 2
}

need() {
  if [[ -z "${!1:-}" ]]; then
    echo "error: $1 is not set; expected $2" >&2
    exit 2
  fi
}

[[ $# -ge 1 ]] || usage
runner=$1
shift
dry_run=false
if [[ ${1:-} == --dry_run ]]; then
  dry_run=true
  shift
fi
for word in "$@"; do
  if [[ $word == --beam_options* ]]; then
    echo "error: this script sets --beam_options; add options by BEAM_OPTIONS" >&2
    exit 2
  fi
done

# Beam's portable runners (flink, spark) run Python next to their Java workers.
if [[ -n "${IMAGE:-}" ]]; then
  environment="--environment_type=DOCKER --environment_config=$IMAGE"
else
  environment="--environment_type=PROCESS"
  environment+=" --environment_option=process_command=${BEAM_BOOT:-/opt/apache/beam/boot}"
fi

flags=("$@")
case $runner in
  local)
    options=""
    flags+=("--workers=${WORKERS:-2}")
    ;;
  flink)
    need FLINK_MASTER "the address of the job manager, host:8081"
    options="--runner=FlinkRunner --flink_master=$FLINK_MASTER"
    options+=" --flink_submit_uber_jar --parallelism=${PARALLELISM:-8} $environment"
    ;;
  spark)
    need SPARK_MASTER "the master's address, spark://host:7077"
    options="--runner=SparkRunner --spark_master_url=$SPARK_MASTER $environment"
    ;;
  dataflow)
    need PROJECT "a Google Cloud project"
    need REGION "a region, such as us-central1"
    need BUCKET "a bucket for temporary files, without gs://"
    need IMAGE "a container image with this project in it"
    options="--runner=DataflowRunner --project=$PROJECT --region=$REGION"
    options+=" --temp_location=gs://$BUCKET/tmp --staging_location=gs://$BUCKET/staging"
    options+=" --sdk_container_image=$IMAGE --experiments=use_runner_v2"
    options+=" --job_name=${JOB_NAME:-stereojax-data-prep}"
    options+=" --max_num_workers=${MAX_WORKERS:-100}"
    options+=" --machine_type=${MACHINE:-n2-standard-4} --disk_size_gb=${DISK_GB:-100}"
    # One film at a time in each process; Dataflow starts one process per core.
    options+=" --number_of_worker_harness_threads=1"
    ;;
  *)
    echo "error: runner $runner: expected local, flink, spark or dataflow" >&2
    exit 2
    ;;
esac

command=("${PYTHON:-python}" -m data_prep "${flags[@]}")
options="$options${BEAM_OPTIONS:+ $BEAM_OPTIONS}"
if [[ -n $options ]]; then
  command+=("--beam_options=$options")
fi
if [[ $dry_run == true ]]; then
  printf '%q ' "${command[@]}"
  echo
  exit 0
fi
exec "${command[@]}"
