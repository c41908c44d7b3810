#!/usr/bin/env bash
# SLURM, one process a GPU: sbatch launch/slurm.sh --config=FILE --workdir=DIR …
#
# Edit: nodes, GPUs of a node (twice), time, partition; the workdir must be on a file system that all nodes see.
# SLURM sends SIGTERM two minutes before the end of the time (and when it pre-empts): the run saves, and the job
# is queued again and goes on. DRY_RUN=1 bash launch/slurm.sh … prints the command.
#SBATCH --job-name=ferjax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=ferjax-%j.log
# Not --gpus-per-task: each process would see one GPU as number 0, and the processes of a node could not talk
# over NVLink.
set -uo pipefail

root=${SLURM_SUBMIT_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
read -ra ferjax <<<"${FERJAX:-$root/.venv/bin/python -m ferjax}"
command=(srun --kill-on-bad-exit=0 --wait=120 "${ferjax[@]}" train --distributed "$@")

if [[ -n ${DRY_RUN:-} ]]; then
  printf '%q ' "${command[@]}"
  echo
  exit 0
fi

code=0
"${command[@]}" || code=$?
# 143: stopped by SIGTERM, saved. 75, 134, 137: a process was lost. 2 is bad input, which no restart mends.
if [[ $code =~ ^(75|134|137|143)$ ]]; then
  if ((${SLURM_RESTART_COUNT:-0} < ${MAX_RESTARTS:-20})); then
    echo "launch/slurm.sh: exit code $code, queued again"
    scontrol requeue "$SLURM_JOB_ID"
  fi
fi
exit "$code"
