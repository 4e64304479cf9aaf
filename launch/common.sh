# shellcheck shell=bash
# What the launch scripts of training begin with; they source it with their words.
#
# Leaves `dry_run`, true or false, and `flags`, the other words. Without any, shows the
# comment that the script begins with, and leaves.
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

# need NAME EXPECTED: leaves where the variable is not set.
need() {
  if [[ -z "${!1:-}" ]]; then
    echo "error: $1 is not set; expected $2" >&2
    exit 2
  fi
}

# show WORD...: the command, as it could be typed.
show() {
  printf '%q ' "$@"
  echo
}
