# Managed by trenova.selfhost.
"""What is done in containers for a mirror: one script a step, as a container costs a second."""

from __future__ import annotations

import json

JOB = "backup-objects"
#: Gives a command the keys of the target's remote.
KEYS = "/run/trenova/config/objects.sh"
#: Where the job sees settings.path("objects").
INSIDE = "/objects"
# One script a step, as a container costs a second. $0 is the step's name.
BEGIN = r"""set -euo pipefail
# Of S3, each of these tries as often again.
export RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=2 RCLONE_CONTIMEOUT=15s RCLONE_TIMEOUT=2m
export RCLONE_USE_SERVER_MODTIME=true RCLONE_BUFFER_SIZE=1M RCLONE_NO_TRAVERSE=true
# Buckets with copies of what a restore has written over.
COPIES='^"before-[0-9]\{8\}t[0-9]\{6\}z/'
lines() { sed -n -e 's/,$//' -e '/^{/p'; }
# The first question: a name that nobody knows any more costs many times the patience of a resolver.
asked() {
    local code=0
    timeout 60 "$@" || code=$?
    [ "$code" != 124 ] || echo "it does not answer within 60 s" >&2
    return "$code"
}
# What is not there is empty.
if_there() {
    local code=0
    "$@" 2>/tmp/why || code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || { cat /tmp/why >&2; exit "$code"; }
}
# SOURCE FILES RESULT: one request an object, which costs less than the copy.
look() {
    rclone lsjson -R -M --hash --files-only --no-mimetype --files-from-raw "$2" "$1" | lines |
        jq -r '"\(.Path | tojson)\t\(.Size)\t\(.ModTime[:23])\t\(.Hashes.md5 // "")\t\(.Metadata // {} | tojson)"' >"$3"
}
"""
SCRIPTS = {
    # TARGET
    "stamps": r"""
if_there asked rclone lsf --files-only "$1/lists" | sed 's/^/list /'
if_there asked rclone lsf --dirs-only "$1/replaced" | sed 's/^/replaced /'
""",
    # SOURCE FILE
    "source": r"""
{ asked rclone lsjson --dirs-only --no-mimetype "$1" | lines | jq -r '"\(.Path + "/" | tojson)\t0\t\(.ModTime[:23])"'
  rclone lsjson -R --files-only --no-mimetype --fast-list "$1" | lines |
      jq -r '"\(.Path | tojson)\t\(.Size)\t\(.ModTime[:23])"'
} | { grep -v "$COPIES" || [ $? = 1 ]; } >"$2"
""",
    # TARGET FILE PLACE...
    "held": r"""
target=$1 file=$2; shift 2
for place; do
    if_there rclone lsjson -R --files-only --no-mimetype --no-modtime --fast-list "$target/$place" | lines |
        jq -r --arg place "${place#replaced/}" '"\(.Path | tojson)\t\($place)\t\(.Size)"'
done >"$file"
""",
    # REMOTE FILE
    "live": r"""
{ rclone lsjson -R --files-only --no-mimetype --hash --fast-list "$1" || [ $? = 3 ]; } | lines |
    jq -r '"\(.Path | tojson)\t\(.Size)\t\(.ModTime[:23])\t\(.Hashes.md5 // "")"' >"$2"
""",
    # REMOTE BUCKET FILES: what lies in all buckets into one of its own, by the store itself
    "keep-live": r"""
rclone mkdir "$1$2"
rclone copy --no-check-dest --files-from-raw "$3" "$1" "$1$2"
""",
    # REMOTE
    "buckets": r"""
rclone lsf --dirs-only "$1"
""",
    # REMOTE BUCKET...
    "purge-live": r"""
remote=$1; shift
for bucket; do rclone purge "$remote$bucket"; done
""",
    # SOURCE FILES RESULT
    "look": r"""
look "$@"
""",
    # SOURCE TARGET REPLACED MOVE COPY RESULT TIDY
    "batch": r"""
say() { local what=$1 code=0; shift; "$@" 2>&1 || code=$?; echo "@$what $code"; [ "$code" = 0 ]; }
[ ! -s "$4" ] ||
    say move rclone move --use-json-log --stats 0 --files-from-raw "$4" "$2/current" "$2/replaced/$3" || exit 0
# Directories that were emptied can stand where an object wants to be.
[ -z "$7" ] || rclone rmdirs --leave-root "$2/current" || :
[ -s "$5" ] || exit 0
say copy rclone copy --use-json-log --stats 5s --stats-log-level NOTICE --no-check-dest --files-from-raw "$5" \
    "$1" "$2/current" || :
say look look "$1" "$5" "$6" || :
""",
    # FILE TARGET STAMP
    "put-list": r"""
zstd -q -f "$1" -o "$1.zst"
rclone copyto "$1.zst" "$2/lists/$3.part"
rclone moveto "$2/lists/$3.part" "$2/lists/$3"
rm "$1.zst"
""",
    # TARGET STAMP FILE
    "get-list": r"""
rclone cat "$1/lists/$2" | zstd -q -d >"$3"
""",
    # TARGET (NAME NEW)...: one after another, so that whatever ends it leaves an order that is the same
    "rename": r"""
target=$1; shift
while [ $# -gt 0 ]; do
    case $1 in
        lists/*) rclone moveto "$target/$1" "$target/$2" ;;
        *) rclone move --delete-empty-src-dirs "$target/$1" "$target/$2" ;;
    esac
    shift 2
done
""",
    # TARGET NAME...
    "purge": r"""
target=$1; shift
for name; do
    case $name in lists/*) rclone deletefile "$target/$name" ;; *) rclone purge "$target/$name" ;; esac
done
""",
    # PLACE FILES RESULT
    "hash": r"""
rclone hashsum md5 --download --files-from-raw "$2" "$1" |
    jq -Rr '"\(.[34:] | tojson)\t\(.[:32] | gsub(" "; ""))"' >"$3"
""",
    # REMOTE BUCKETS [REQUESTS]: files, with a bucket a line to be made, and with requests for curl
    "write": r"""
while IFS= read -r bucket; do rclone mkdir "$1$bucket"; done <"$2"
[ $# = 3 ] || exit 0
rclone rcd --rc-no-auth --rc-addr 127.0.0.1:5572 --rc-server-read-timeout 24h --rc-server-write-timeout 24h >&2 &
server=$!
trap 'kill "$server"; wait "$server" || :' EXIT
for _n in $(seq 100); do curl -sf -o /tmp/answer -X POST http://127.0.0.1:5572/rc/noop && break; sleep 0.1; done
rm -rf /tmp/answers
mkdir /tmp/answers
curl -s --no-progress-meter --parallel --parallel-max 8 --config "$3" || :
find /tmp/answers -type f -size +4c -exec cat {} + | jq -c 'select(.error) | [.input.dstRemote, .error]' | sed 's/^/!/'
""",
}


def request(number, content):
    """A request to rclone's server in the configuration of curl."""
    data = json.dumps(content).replace("\\", "\\\\").replace('"', '\\"')
    return ('url = "http://127.0.0.1:5572/operations/copyfile"\nheader = "Content-Type: application/json"\n'
            f'data = "{data}"\noutput = "/tmp/answers/{number}"\nwrite-out = "%{{http_code}} {number}\\n"\n')
