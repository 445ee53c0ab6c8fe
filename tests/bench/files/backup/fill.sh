#!/bin/bash
# Writes rows with their hashes, and objects. GENERATION ROWS OBJECTS PART
# PART is 1 for all of them, and 10 for the first tenth of each, as what is changed is mostly what is new.
set -euo pipefail
generation=$1 rows=$2 objects=$3 part=$4
# Of the sizes of a page, a scan, a photograph and a bundle, in KiB.
sizes=(32 128 512 2048)
docker exec -i tren-db psql -qAt --no-psqlrc --set=ON_ERROR_STOP=1 --set=generation="$generation" --set=rows="$rows" \
    --set=part="$part" -d trenova_go_db >/dev/null <<'END'
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS bench_freight (id bigint PRIMARY KEY, customer int, told text, hash text);
CREATE INDEX IF NOT EXISTS bench_freight_customer ON bench_freight (customer);
SELECT :part = 1 AS is_whole \gset
BEGIN;
\if :is_whole
TRUNCATE bench_freight;
\else
DELETE FROM bench_freight WHERE id <= :rows / :part;
\endif
INSERT INTO bench_freight
SELECT id, id % 5000, told, md5(told) FROM generate_series(1, :rows / :part) AS id,
    LATERAL (SELECT string_agg(md5(concat_ws(' ', id, :'generation', word)), '') AS told
             FROM generate_series(1, 30) AS word) AS words;
COMMIT;
VACUUM ANALYZE bench_freight;
CHECKPOINT;
END
folder=/root/bench/papers
rm -rf "$folder"
mkdir -p "$folder"
for number in $(seq $((objects / part))); do
    head -c "${sizes[number % 4]}K" /dev/urandom >"$folder/paper-$number.bin"
done
/root/bench/raw.sh rclone "$folder" copy --ignore-times /here store-objects:bench-papers
rm -rf "$folder"
sync
