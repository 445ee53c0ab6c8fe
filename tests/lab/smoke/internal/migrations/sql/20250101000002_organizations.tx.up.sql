CREATE TABLE us_states (
    id           varchar(100) PRIMARY KEY,
    name         varchar(255) NOT NULL,
    abbreviation varchar(2)   NOT NULL UNIQUE
);

CREATE TABLE business_units (
    id   varchar(100) PRIMARY KEY,
    name varchar(255) NOT NULL,
    code varchar(10)  NOT NULL UNIQUE
);

CREATE TABLE organizations (
    id               varchar(100) PRIMARY KEY,
    business_unit_id varchar(100) NOT NULL REFERENCES business_units (id) ON DELETE CASCADE,
    name             varchar(255) NOT NULL,
    scac_code        varchar(4)   NOT NULL,
    timezone         varchar(50)  NOT NULL DEFAULT 'America/New_York'
);
