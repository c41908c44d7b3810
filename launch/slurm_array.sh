#!/usr/bin/env bash
# SLURM, many runs: each task of a job array is a worker, and they divide the runs of one command among them.
#
#   sbatch launch/slurm_array.sh tune --config=FILE --space=FILE --trials=200 --workdir=DIR
#   sbatch --array=0-7 launch/slurm_array.sh repeat -n 15 --config=FILE --workdir=DIR
#
# The verbs are tune, repeat, ablate, crossdb and protocol.
# Edit: workers (array), GPU, time, partition; the workdir must be on a file system that all nodes see.
# SLURM sends SIGTERM two minutes before the end of the time (and when it pre-empts): the worker saves its run,
# and is queued again; until then others may go on with that run. More workers can be added at any time.
# DRY_RUN=1 bash launch/slurm_array.sh … prints the command.
#SBATCH --job-name=ferjax
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=ferjax-%A-%a.log
set -uo pipefail

verb=${1:-}
if ! [[ $verb =~ ^(tune|repeat|ablate|crossdb|protocol)$ ]]; then
  echo "launch/slurm_array.sh: name a verb first: tune, repeat, ablate, crossdb or protocol" >&2
  exit 2
fi
shift
root=${SLURM_SUBMIT_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
# SLURM runs a copy of this script, which lies elsewhere.
[[ -f $root/launch/slurm_job.bash ]] || root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=/dev/null
if ! source "$root/launch/slurm_job.bash"; then
  echo "launch/slurm_array.sh: submit from the folder of ferjax" >&2
  exit 2
fi
# A search is always shared; the other verbs are told to.
if [[ $verb != tune ]]; then set -- "$@" --queue; fi
run_job slurm_array.sh --kill-on-bad-exit=0 -- "$verb" "$@"
