# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a dump is known to forget, for the proofs of PostgreSQL's next major: on a lab server, and without an Engine."""

from __future__ import annotations

#: The database that holds it, and the role that saves it, are there.
DATABASE, SAVER = "trenova_go_db", "trenova_backup"
FILL = """
CREATE ROLE clerk LOGIN PASSWORD 'a password of his';
CREATE ROLE staff;
GRANT staff TO clerk;
ALTER ROLE clerk IN DATABASE trenova_go_db SET lock_timeout = '5s';
ALTER SYSTEM SET log_min_duration_statement = '5s';
SET password_encryption = md5;
CREATE ROLE old LOGIN PASSWORD 'of before';
CREATE TABLE loads (id bigserial PRIMARY KEY, hash text NOT NULL, at timestamptz DEFAULT now());
INSERT INTO loads (hash) SELECT md5(i::text) FROM generate_series(1, 50000) AS i;
CREATE INDEX ON loads (lower(hash)) WHERE id > 7;
ALTER TABLE loads ALTER hash SET STATISTICS 321;
GRANT SELECT (id) ON loads TO staff;
CREATE VIEW recent AS SELECT id, hash FROM loads WHERE id > 49000;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
SELECT lo_from_bytea(4711, decode(repeat('ab', 5000), 'hex'));
GRANT SELECT ON LARGE OBJECT 4711 TO trenova_backup;
SELECT setval('loads_id_seq', 70000);
"""
#: All of that, as one word that is the same in each major.
FOUND = """
SELECT md5(string_agg(found, E'\\n' ORDER BY found)) FROM (
    SELECT concat_ws(' ', 'row', id, hash, at) FROM loads WHERE id <= 50000 UNION ALL
    SELECT concat_ws(' ', 'role', rolname, rolpassword, rolcanlogin, rolsuper, rolreplication) FROM pg_authid
        WHERE rolname !~ '^pg_' UNION ALL
    SELECT concat_ws(' ', 'setting', setrole::regrole, setconfig) FROM pg_db_role_setting UNION ALL
    SELECT concat_ws(' ', 'member', roleid::regrole, member::regrole) FROM pg_auth_members
        WHERE roleid::regrole::text = 'staff' UNION ALL
    SELECT concat_ws(' ', 'object', oid, pg_get_userbyid(lomowner), md5(lo_get(oid)))
        FROM pg_largeobject_metadata UNION ALL
    SELECT concat_ws(' ', 'sequence', last_value) FROM loads_id_seq UNION ALL
    SELECT concat_ws(' ', 'target', attname, attstattarget) FROM pg_attribute
        WHERE attrelid = 'loads'::regclass AND attname = 'hash' UNION ALL
    SELECT concat_ws(' ', 'grant', attname, attacl) FROM pg_attribute
        WHERE attrelid = 'loads'::regclass AND attnum > 0 UNION ALL
    SELECT concat_ws(' ', 'system', current_setting('log_min_duration_statement')) UNION ALL
    SELECT concat_ws(' ', 'extension', extname) FROM pg_extension UNION ALL
    SELECT concat_ws(' ', 'table', schemaname, tablename, tableowner) FROM pg_tables
        WHERE schemaname !~ '^pg_|information_schema'
) AS all_of_it (found)
"""
