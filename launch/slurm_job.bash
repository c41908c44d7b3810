# shellcheck shell=bash
# What slurm.sh and slurm_array.sh share; they read this file from the folder that a job was submitted from.

# run_job SCRIPT SRUN_OPTION… -- VERB ARGUMENT…
# Runs ferjax under srun and exits with its code; a job that was stopped is queued again, MAX_RESTARTS times.
run_job() {
  local script=$1 command=(srun) code=0 ferjax
  shift
  while [[ $1 != -- ]]; do
    command+=("$1")
    shift
  done
  shift
  read -ra ferjax <<<"${FERJAX:-${root:?}/.venv/bin/python -m ferjax}"
  command+=("${ferjax[@]}" "$@")

  if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' "${command[@]}"
    echo
    exit 0
  fi

  "${command[@]}" || code=$?
  # 143: stopped by SIGTERM, saved. 75, 134, 137: a process was lost, or another worker took the run.
  # 2 is bad input, which no restart mends.
  if [[ $code =~ ^(75|134|137|143)$ ]] && ((${SLURM_RESTART_COUNT:-0} < ${MAX_RESTARTS:-20})); then
    echo "launch/$script: exit code $code, queued again"
    scontrol requeue "$SLURM_JOB_ID"
  fi
  exit "$code"
}
