-- Orders of a carrier: what the load sorts and joins. About 130 MB, as much as the shared buffers.
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE TABLE bench.customers (customer_id int PRIMARY KEY, region int NOT NULL, name text NOT NULL);
CREATE TABLE bench.orders (
    order_id int PRIMARY KEY, customer_id int NOT NULL, created date NOT NULL, status int NOT NULL,
    amount numeric(10, 2) NOT NULL, remark text NOT NULL);
INSERT INTO bench.customers SELECT n, n % 50, md5(n::text) FROM generate_series(1, 20000) AS n;
INSERT INTO bench.orders
    SELECT n, 1 + (n::bigint * 7919) % 20000, date '2026-01-01' + n % 300, n % 5, (n::bigint * 31 % 100000) / 100.0, repeat(md5(n::text), 4)
    FROM generate_series(1, 500000) AS n;
CREATE INDEX ON bench.orders (customer_id);
CREATE INDEX ON bench.orders (created);
ANALYZE bench.customers, bench.orders;
