-- Sessions live in Redis. The table exists in the schema and stays empty.
CREATE TABLE sessions (
    id         varchar(100) PRIMARY KEY,
    user_id    varchar(100) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    ip         varchar(45)  NOT NULL,
    created_at bigint       NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
