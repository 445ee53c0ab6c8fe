-- What an upgrade has to know of a server beforehand, of any version since 13, as one line of JSON. Changes nothing.
SET default_transaction_read_only = on;
SET search_path = pg_catalog;
SELECT json_build_object(
    'database', current_database(),
    'extensions', (SELECT coalesce(json_agg(extname ORDER BY extname), '[]') FROM pg_extension),
    'version', current_setting('server_version_num')::int / 10000,
    'preloaded', current_setting('shared_preload_libraries'),
    'wal_level', current_setting('wal_level'),
    'max_replication_slots', current_setting('max_replication_slots')::int,
    'wal_segment_bytes', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
    'is_first_role_ours', (SELECT rolname = 'postgres' FROM pg_roles WHERE oid = 10),
    'databases', (SELECT json_agg(json_build_object(
        'name', datname, 'bytes', CASE WHEN datallowconn THEN pg_database_size(oid) ELSE 0 END,
        'is_open', datallowconn, 'is_whole', datconnlimit <> -2, 'encoding', pg_encoding_to_char(encoding),
        'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), 'collate', datcollate, 'ctype', datctype,
        'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
        'collation_version', to_jsonb(d) ->> 'datcollversion') ORDER BY datname) FROM pg_database AS d),
    -- What a server notes of columns for itself; a client that does not know it takes it for a setting of theirs.
    'notes', (SELECT coalesce(json_agg(DISTINCT split_part(option, '=', 1)), '[]')
        FROM pg_attribute, unnest(attoptions) AS option WHERE option ~ '^pg_'),
    'version_text', split_part(current_setting('server_version'), ' ', 1),
    'md5_roles', (SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]') FROM pg_authid WHERE rolpassword ~ '^md5'),
    'prepared', (SELECT count(*) FROM pg_prepared_xacts),
    'tablespaces', (SELECT coalesce(json_agg(spcname ORDER BY spcname), '[]') FROM pg_tablespace
        WHERE spcname NOT IN ('pg_default', 'pg_global')),
    'slots', (SELECT coalesce(json_agg(slot_name ORDER BY slot_name), '[]') FROM pg_replication_slots WHERE NOT temporary),
    'subscriptions', (SELECT coalesce(json_agg(subname ORDER BY subname), '[]') FROM pg_subscription),
    'settings', (SELECT coalesce(json_agg(json_build_object('name', name, 'setting', setting, 'file', sourcefile)
        ORDER BY seqno), '[]') FROM pg_file_settings WHERE name IS NOT NULL),
    'role_settings', (SELECT coalesce(json_agg(json_build_object('name', split_part(entry, '=', 1), 'of', concat_ws(
        ' in ', (SELECT rolname FROM pg_roles WHERE oid = setrole), (SELECT datname FROM pg_database WHERE oid = setdatabase)))),
        '[]') FROM pg_db_role_setting, unnest(setconfig) AS entry));
