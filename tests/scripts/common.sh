# What the scripts of this folder share; sourced by them, of no use alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# --help prints the comment at the head of the script.
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
fi

need() {
    command -v "$1" >/dev/null 2>&1 || {
        printf '%s is missing (Debian: %s)\n' "$1" "$2" >&2
        exit 2
    }
}

need_root() {
    ((EUID == 0)) || {
        echo 'this mounts file systems, and so needs root' >&2
        exit 2
    }
}

# The tests whose names hold these words, one at a time, with what they measure.
tests() {
    PAGOMENSA_STRICT=1 cargo test --locked --test pagomensa "${FEATURES[@]}" -- \
        "$@" --include-ignored --nocapture --test-threads 1
}
FEATURES=()
