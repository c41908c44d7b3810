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
# SLURM runs a copy of this script, which lies elsewhere.
[[ -f $root/launch/slurm_job.bash ]] || root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=/dev/null
if ! source "$root/launch/slurm_job.bash"; then
  echo "launch/slurm.sh: submit from the folder of ferjax" >&2
  exit 2
fi
run_job slurm.sh --kill-on-bad-exit=0 --wait=120 -- train --distributed "$@"
