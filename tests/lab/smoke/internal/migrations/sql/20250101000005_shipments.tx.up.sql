CREATE TABLE customers (
    id              varchar(100) PRIMARY KEY,
    organization_id varchar(100) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    code            varchar(10)  NOT NULL,
    name            varchar(255) NOT NULL
);

CREATE TABLE shipments (
    id              varchar(100) PRIMARY KEY,
    organization_id varchar(100) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    customer_id     varchar(100) NOT NULL REFERENCES customers (id),
    pro_number      varchar(100) NOT NULL UNIQUE,
    bol             varchar(100) NOT NULL,
    status          varchar(50)  NOT NULL,
    weight          integer      NOT NULL DEFAULT 0,
    created_at      bigint       NOT NULL DEFAULT extract(epoch FROM now())::bigint
);

CREATE INDEX idx_shipments_organization ON shipments (organization_id, created_at DESC);
CREATE INDEX idx_shipments_bol_trgm ON shipments USING gin (bol gin_trgm_ops);
