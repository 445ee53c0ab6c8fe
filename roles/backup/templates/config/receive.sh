#!/bin/sh
# Hands on what the reader of a store writes into the pipe, and fails where that reader failed: nothing is kept then.
# PIPE [MEMBER FILE]: a member of the tar that passes by is left in a file besides.
set -u
pipe=$1
if [ $# = 3 ]; then
    # That of an increment that was refused is there, where a full backup follows in the same run.
    rm -f /tmp/passing
    mkfifo /tmp/passing || exit 1
    tar --extract --to-stdout --file=/tmp/passing "$2" >"$3.new" &
    side=$!
    tee /tmp/passing <"$pipe" || exit 1
    wait "$side" || exit 1
    mv "$3.new" "$3" || exit 1
else
    cat "$pipe" || exit 1
fi
until [ -f "$pipe.end" ]; do sleep 0.1; done
grep -q good "$pipe.end"
