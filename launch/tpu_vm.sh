#!/usr/bin/env bash
# Cloud TPU through a queued resource: launch/tpu_vm.sh create | run [flags of ferjax train …] | delete
#
# Edit (or set in the environment): NAME, ZONE, TYPE, RUNTIME, REPOSITORY; SPOT=1 asks for pre-emptible ones.
# `create` waits for the machines and installs ferjax on all of them; `run` trains on all of them, and goes on
# where it was when called again. The workdir must be one that all see: gs://… mounted, or NFS.
# DRY_RUN=1 prints the commands.
set -euo pipefail

NAME=${NAME:-ferjax}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-16}
RUNTIME=${RUNTIME:-v2-alpha-tpuv5-lite}
REPOSITORY=${REPOSITORY:-}
SPOT=${SPOT:-}

run() {
  if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

everywhere() { run gcloud compute tpus tpu-vm ssh "$NAME" "--zone=$ZONE" --worker=all "--command=$1"; }

state() {
  gcloud compute tpus queued-resources describe "$NAME" "--zone=$ZONE" "--format=value(state.state)"
}

create() {
  if [[ -z $REPOSITORY ]]; then
    echo "launch/tpu_vm.sh: set REPOSITORY to the address that the machines can clone ferjax from" >&2
    exit 2
  fi
  run gcloud compute tpus queued-resources create "$NAME" "--node-id=$NAME" "--zone=$ZONE" \
    "--accelerator-type=$TYPE" "--runtime-version=$RUNTIME" ${SPOT:+--spot}
  if [[ -z ${DRY_RUN:-} ]]; then
    until [[ $(state) == ACTIVE ]]; do
      if [[ $(state) == FAILED || $(state) == SUSPENDED ]]; then
        echo "launch/tpu_vm.sh: the queued resource $NAME is $(state)" >&2
        exit 1
      fi
      sleep 20
    done
  fi
  everywhere "git clone --depth 1 $(printf %q "$REPOSITORY") ferjax && cd ferjax && make .venv/.train ACCELERATOR=tpu"
}

case ${1:-} in
  create) create ;;
  run)
    shift
    everywhere "cd ferjax && .venv/bin/python -m ferjax train --distributed$(printf ' %q' "$@")"
    ;;
  delete) run gcloud compute tpus queued-resources delete "$NAME" "--zone=$ZONE" --force --quiet ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
