\set customer random(1, 19900)
SELECT o.order_id, o.created, o.amount, c.name
  FROM bench.orders o JOIN bench.customers c USING (customer_id)
 WHERE o.customer_id BETWEEN :customer AND :customer + 20 ORDER BY o.created DESC, o.order_id LIMIT 50;
