#!/bin/sh
# index.sh NUMBER SECONDS: builds an index again and again, with the memory that autovacuum may take as well.
end=$(($(date +%s) + $2))
while [ "$(date +%s)" -lt "$end" ]; do
  psql --quiet --no-psqlrc --host tren-db --username trenova --dbname trenova_go_db \
    --command "CREATE INDEX bench_$1 ON bench.orders (remark, amount)" --command "DROP INDEX bench.bench_$1"
done
