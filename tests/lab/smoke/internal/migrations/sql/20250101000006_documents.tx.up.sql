CREATE TABLE documents (
    id              varchar(100) PRIMARY KEY,
    organization_id varchar(100) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    resource_type   varchar(50)  NOT NULL,
    resource_id     varchar(100) NOT NULL,
    file_name       varchar(255) NOT NULL,
    file_size       bigint       NOT NULL,
    storage_path    varchar(500) NOT NULL,
    uploaded_by_id  varchar(100) NOT NULL REFERENCES users (id),
    created_at      bigint       NOT NULL DEFAULT extract(epoch FROM now())::bigint
);

CREATE INDEX idx_documents_resource ON documents (organization_id, resource_type, resource_id);
