-- Only the smoke application has this table: one row for each time a
-- smoke:touch task was processed, so that lost and repeated tasks can be counted.
CREATE TABLE smoke_jobs (
    id           bigserial PRIMARY KEY,
    batch        varchar(100) NOT NULL,
    seq          integer      NOT NULL,
    queue        varchar(100) NOT NULL,
    hostname     varchar(255) NOT NULL,
    processed_at timestamptz  NOT NULL DEFAULT now()
);

CREATE INDEX idx_smoke_jobs_batch ON smoke_jobs (batch);
