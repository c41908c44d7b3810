#!/usr/bin/env bash
# Several processes on this machine: launch/local.sh -n 2 [-g] [-r RESTARTS] [-d] --config=FILE …
#
#   -n N         processes
#   -N COMMAND   asks this command for their number before every start: the run goes on with as many as there can
#                be, such as -N 'nvidia-smi -L | wc -l'. Each number must divide the batch.
#   -g           one GPU each, instead of all that JAX finds for each
#   -r RESTARTS  start all again, at most so often, when a process was lost (default 0)
#   -d           only print the commands
#
# The rest goes to `ferjax train`. ^C and SIGTERM stop all processes, which save first; then nothing is started
# again. The exit code is that of the first process that fails.
# Edit: nothing; FERJAX names another command, PORT another port.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
read -ra ferjax <<<"${FERJAX:-$root/.venv/bin/python -m ferjax}"
count='' ask='' gpus=false restarts=0 dry=false

usage() {
  sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

while (($#)); do
  case $1 in
    -n) count=${2:-} && shift ;;
    -N) ask=${2:-} && shift ;;
    -g) gpus=true ;;
    -r) restarts=${2:-} && shift ;;
    -d) dry=true ;;
    -h) usage ;;
    *) break ;;
  esac
  shift || break # a flag without its value, which is told below
done
if [[ -n $ask ]]; then count=1; fi
if ! [[ $count =~ ^[1-9][0-9]*$ && $restarts =~ ^[0-9]+$ ]]; then
  echo "launch/local.sh: -n takes a number of processes, -N a command that prints it, -r a number of restarts" >&2
  usage
fi

free_port() {
  local port
  for ((port = 20000 + RANDOM % 20000; ; port++)); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

children=() signals=0
stop() {
  signals=$((signals + 1))
  if ((${#children[@]})); then kill -TERM "${children[@]}" 2>/dev/null || true; fi
}
trap stop INT TERM

run_all() {
  local port=${PORT:-$(free_port)} first=0 code index before
  children=()
  for ((index = 0; index < count; index++)); do
    local command=("${ferjax[@]}" train "--coordinator=127.0.0.1:$port" "--processes=$count"
      "--process=$index" "$@")
    local environment=()
    if $gpus; then environment=("CUDA_VISIBLE_DEVICES=$index"); fi
    if $dry; then
      printf '%q ' "${environment[@]}" "${command[@]}"
      echo
      continue
    fi
    if ((signals)); then break; fi
    env "${environment[@]}" "${command[@]}" &
    children+=($!)
  done
  for index in "${!children[@]}"; do
    # A signal to this script interrupts `wait`, which then does not say how the child has ended: ask again.
    before=-1
    while ((before != signals)); do
      before=$signals code=0
      wait "${children[index]}" || code=$?
    done
    # bash may have lost it to the signal.
    if ((code < 0)); then code=143; fi
    if ((code && !first)); then first=$code; fi
  done
  return "$first"
}

for ((start = 0; ; start++)); do
  if [[ -n $ask ]]; then
    count=$(bash -c "$ask") || true
    if ! [[ $count =~ ^[1-9][0-9]*$ ]]; then
      echo "launch/local.sh: the command of -N printed ${count:-nothing} instead of a number of processes" >&2
      exit 2
    fi
  fi
  code=0
  run_all "$@" || code=$?
  # A signal to this script or to its process group asked for the end: that is no crash.
  if ((signals)); then exit $((code ? code : 143)); fi
  # 75: the watchdog lost a process; 134 and 137: this one was aborted or killed.
  if ((start >= restarts)) || [[ ! $code =~ ^(75|134|137)$ ]]; then exit "$code"; fi
  echo "launch/local.sh: a process was lost (exit code $code), restart $((start + 1)) of $restarts" >&2
done
