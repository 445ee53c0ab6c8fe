\set order random(1, 500000)
BEGIN;
SELECT order_id, status, amount FROM bench.orders WHERE order_id = :order FOR UPDATE;
UPDATE bench.orders SET status = status + 1 WHERE order_id = :order;
END;
