# shellcheck shell=bash
# Common start of the training launch scripts, which source it with their arguments.
#
# Sets `dry_run` to true or false, and `flags` to the other arguments. Without any flag,
# prints the script's first comment as help, and exits with 2.
set -euo pipefail

dry_run=false
flags=()
for word in "$@"; do
  if [[ $word == --dry_run ]]; then
    # shellcheck disable=SC2034  # read by the scripts
    dry_run=true
  else
    flags+=("$word")
  fi
done
if [[ ${#flags[@]} -eq 0 ]]; then
  sed -n '2,/^# shellcheck/p' "$0" | sed -e '/^# shellcheck/d' -e 's/^# \{0,1\}//' >&2
  exit 2
fi

# need NAME EXPECTED: exits with 2 if the variable is not set.
need() {
  if [[ -z "${!1:-}" ]]; then
    echo "error: $1 is not set; expected $2" >&2
    exit 2
  fi
}

# show WORD...: prints the command, quoted for a shell.
show() {
  printf '%q ' "$@"
  echo
}
