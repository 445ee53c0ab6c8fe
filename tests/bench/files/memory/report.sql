\set day random(0, 250)
SELECT region, count(*), sum(amount), max(place) FROM (
    SELECT c.region, o.amount, row_number() OVER (PARTITION BY c.region ORDER BY o.amount DESC, o.remark) AS place
      FROM bench.orders o JOIN bench.customers c USING (customer_id)
     WHERE o.created BETWEEN date '2026-01-01' + :day AND date '2026-01-01' + :day + 9) AS ranked
 GROUP BY region ORDER BY region;
