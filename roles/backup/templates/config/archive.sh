#!/bin/sh
# Writes a directory as an archive. DIRECTORY [OPTION...]
set -u
directory=$1; shift
# Equal files make equal archives, of which only one is stored.
tar --create --sort=name --numeric-owner --anchored --no-wildcards --xattrs \
    --pax-option=delete=atime,delete=ctime "$@" --directory="$directory" --file=- .
code=$?
# 1: something changed while it was read. What it was then is there, and the next backup has what it became.
[ "$code" -le 1 ]
