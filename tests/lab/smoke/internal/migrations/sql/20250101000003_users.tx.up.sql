-- Names and types of these columns are those of the real application: operators
-- change passwords and states with SQL.
CREATE TYPE status_enum AS ENUM ('Active', 'Inactive');

CREATE TABLE users (
    id                      varchar(100) PRIMARY KEY,
    business_unit_id        varchar(100) NOT NULL REFERENCES business_units (id) ON DELETE CASCADE,
    current_organization_id varchar(100) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    status                  status_enum  NOT NULL DEFAULT 'Active',
    name                    varchar(255) NOT NULL,
    username                varchar(20)  NOT NULL,
    password                varchar(255) NOT NULL,
    email_address           varchar(255) NOT NULL,
    timezone                varchar(50)  NOT NULL,
    is_locked               boolean      NOT NULL DEFAULT false,
    last_login_at           bigint       NOT NULL DEFAULT 0,
    version                 bigint       NOT NULL DEFAULT 0,
    created_at              bigint       NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    updated_at              bigint       NOT NULL DEFAULT extract(epoch FROM now())::bigint
);

CREATE UNIQUE INDEX idx_users_email_address ON users (lower(email_address));
CREATE UNIQUE INDEX idx_users_username ON users (lower(username));
