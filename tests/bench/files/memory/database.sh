#!/bin/sh
# database.sh HOST PORT CLIENTS SECONDS SCRIPT[@WEIGHT]...: pgbench, and what a hundredth of its transactions exceeds.
host=$1 port=$2 clients=$3 seconds=$4
shift 4
for script; do files="$files --file /memory/$script"; done
cd /tmp || exit
pgbench --no-vacuum --client "$clients" --jobs 2 --time "$seconds" --log --host "$host" --port "$port" \
  --username trenova $files trenova_go_db 2>&1
cat pgbench_log.* | cut -d ' ' -f 3 | sort -n > all
echo "p99 = $(sed -n "$((($(wc -l < all) * 99 + 99) / 100))p" all) us"
