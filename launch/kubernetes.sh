#!/usr/bin/env bash
# Trains in a JobSet on Kubernetes, on NODES pods that connect by their host names.
#
#   launch/kubernetes.sh [--dry_run] FLAGS...   IMAGE=.. NODES=1 GPUS=8 CLAIM=..
#
# FLAGS are those of `python -m stereojax.train`. IMAGE contains this project with the
# extra `cuda`. CLAIM is a persistent volume claim for --workdir and --data, mounted at
# /data in every pod. An evicted pod gets SIGTERM, saves, and exits with 75, which counts
# as a failure: the JobSet restarts all pods, up to RESTARTS=100 times, and they resume.
# Exit code 2, for wrong flags or data, fails the JobSet at once.
# --dry_run prints the command and the manifest, and runs nothing.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh" "$@"

need IMAGE "a container image with this project in it"
need CLAIM "a persistent volume claim"
job=${JOB_NAME:-stereojax}
nodes=${NODES:-1}
words=(python -m stereojax.train "${flags[@]}" --preempted_exit_code=75)
arguments=""
for word in "${words[@]}"; do
  quoted=${word//\\/\\\\}
  arguments+="\"${quoted//\"/\\\"}\", "
done
if [[ $nodes -gt 1 ]]; then
  arguments+="\"--coordinator_address=$job-train-0-0.$job:6006\", "
  arguments+="\"--num_processes=$nodes\", \"--process_id=\$(RANK)\", "
fi
manifest="apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $job
spec:
  failurePolicy:
    maxRestarts: ${RESTARTS:-100}
    rules:
    - {action: FailJobSet, onJobFailureReasons: [PodFailurePolicy]}
  network: {enableDNSHostnames: true, subdomain: $job}
  replicatedJobs:
  - name: train
    replicas: 1
    template:
      spec:
        completionMode: Indexed
        parallelism: $nodes
        completions: $nodes
        backoffLimit: 0
        podFailurePolicy:
          rules:
          - action: FailJob
            onExitCodes: {containerName: train, operator: In, values: [2]}
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 300
            containers:
            - name: train
              image: \"$IMAGE\"
              command: [${arguments%, }]
              env:
              - name: RANK
                valueFrom:
                  fieldRef:
                    fieldPath: metadata.annotations['batch.kubernetes.io/job-completion-index']
              resources:
                limits: {nvidia.com/gpu: ${GPUS:-8}}
              volumeMounts:
              - {name: data, mountPath: /data}
              - {name: shm, mountPath: /dev/shm}
            volumes:
            - {name: data, persistentVolumeClaim: {claimName: $CLAIM}}
            - {name: shm, emptyDir: {medium: Memory}}
"
command=(kubectl apply -f -)
show "${command[@]}"
if [[ $dry_run == true ]]; then
  echo "$manifest"
  exit 0
fi
"${command[@]}" <<<"$manifest"
