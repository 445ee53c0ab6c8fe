-- What there is in a database besides rows, as [kind, name, what it is like], a line each: equal before and after an
-- upgrade, in any version since 13. Nothing that a version writes in another way than the next (views, expressions) is
-- compared as text, and nothing that belongs to an extension, whose version may be another one. Passwords are told as
-- hashes. What the cluster has is told once, in the database postgres.
SET search_path = pg_catalog;
SET timezone = 'UTC';
WITH
spaces AS (
    SELECT * FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'),
members AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relations AS (
    SELECT c.*, format('%I.%I', nspname, relname) AS title, nspname || '.' || relname AS plain FROM pg_class AS c JOIN spaces AS n ON n.oid = relnamespace
    WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_class'::regclass, c.oid))),
found (kind, name, told, acl) AS (
    SELECT 'role', rolname::text, to_jsonb(r) - 'oid' - 'rolname' || jsonb_build_object(
        'rolpassword', encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex')), NULL::aclitem[]
    FROM pg_authid AS r WHERE rolname !~ '^pg_' AND current_database() = 'postgres'
    UNION ALL
    SELECT 'membership', pg_get_userbyid(member) || ' in ' || pg_get_userbyid(roleid),
        jsonb_build_object('admin', bool_or(admin_option)), NULL
    FROM pg_auth_members WHERE pg_get_userbyid(member) !~ '^pg_' AND current_database() = 'postgres' GROUP BY member, roleid
    UNION ALL
    SELECT 'setting', concat_ws(' in ', (SELECT rolname FROM pg_roles WHERE oid = setrole), datname),
        to_jsonb(ARRAY(SELECT unnest(setconfig) ORDER BY 1)), NULL
    FROM pg_db_role_setting LEFT JOIN pg_database AS d ON d.oid = setdatabase WHERE current_database() = 'postgres'
    UNION ALL
    SELECT 'database', datname, jsonb_build_object(
        'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate,
        'ctype', datctype, 'limit', datconnlimit, 'is template', datistemplate, 'comment', shobj_description(oid, 'pg_database')),
        coalesce(datacl, acldefault('d', datdba))
    FROM pg_database WHERE datallowconn AND current_database() = 'postgres'
    UNION ALL
    SELECT 'extension', extname, jsonb_build_object('schema', extnamespace::regnamespace::text), NULL FROM pg_extension
    UNION ALL
    SELECT 'schema', nspname, jsonb_build_object('owner', pg_get_userbyid(nspowner)),
        coalesce(nspacl, acldefault('n', nspowner))
    FROM spaces AS n WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_namespace'::regclass, n.oid))
    UNION ALL
    SELECT CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'relation' END, title, jsonb_build_object(
        'kind', relkind, 'plain', plain, 'owner', pg_get_userbyid(relowner), 'persistence', relpersistence,
        'options', ARRAY(SELECT unnest(reloptions) ORDER BY 1), 'row security', relrowsecurity,
        'forced', relforcerowsecurity, 'identity', relreplident, 'partition', relispartition,
        'parents', ARRAY(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid ORDER BY 1),
        'columns', (SELECT jsonb_agg(jsonb_build_array(
            attname, format_type(atttypid, atttypmod), attnotnull, atthasdef, attidentity, attgenerated,
            nullif(attstattarget, -1), (SELECT collname FROM pg_collation WHERE oid = attcollation),
            -- What a server notes there for itself is another number in each.
            ARRAY(SELECT option FROM unnest(attoptions) AS option WHERE option !~ '^pg_' ORDER BY 1),
            ARRAY(SELECT pg_get_userbyid(grantee) || ' ' || privilege_type FROM aclexplode(attacl) ORDER BY 1)) ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)),
        coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM relations AS c WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    UNION ALL
    SELECT 'sequence', format('%I.%I', schemaname, sequencename), to_jsonb(s) - 'schemaname' - 'sequencename' - 'sequenceowner', NULL
    FROM pg_sequences AS s
    UNION ALL
    SELECT 'index', c.title, jsonb_build_object(
        'of', indrelid::regclass::text, 'method', amname, 'unique', indisunique, 'primary', indisprimary,
        'exclusion', indisexclusion, 'clustered', indisclustered, 'valid', indisvalid, 'identity', indisreplident,
        'keys', indnkeyatts, 'order', indoption::text, 'partial', indpred IS NOT NULL, 'expressions', indexprs IS NOT NULL,
        'options', c.reloptions, 'columns', ARRAY(SELECT attname FROM unnest(indkey) WITH ORDINALITY AS k (number, place)
            LEFT JOIN pg_attribute ON (attrelid, attnum) = (indrelid, number) ORDER BY place),
        'classes', ARRAY(SELECT opcname FROM unnest(indclass) WITH ORDINALITY AS k (class, place)
            LEFT JOIN pg_opclass AS o ON o.oid = class ORDER BY place)), NULL
    FROM relations AS c JOIN pg_index ON indexrelid = c.oid JOIN pg_am AS a ON a.oid = c.relam
    UNION ALL
    SELECT 'constraint', coalesce(r.title, contypid::regtype::text) || ' ' || quote_ident(conname), jsonb_build_object(
        'type', contype, 'validated', convalidated, 'deferrable', condeferrable, 'deferred', condeferred,
        'references', nullif(confrelid, 0)::regclass::text, 'on update', confupdtype, 'on delete', confdeltype,
        'columns', ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute ON (attrelid, attnum) = (conrelid, number) ORDER BY place)), NULL
    FROM pg_constraint AS c JOIN spaces AS n ON n.oid = connamespace LEFT JOIN relations AS r ON r.oid = conrelid
    -- Since 18 NOT NULL is one, too; of columns it is told above.
    WHERE contype <> 'n' AND (conrelid = 0 OR r.oid IS NOT NULL)
    UNION ALL
    SELECT 'trigger', title || ' ' || quote_ident(tgname),
        jsonb_build_object('enabled', tgenabled, 'type', tgtype, 'calls', tgfoid::regproc::text), NULL
    FROM pg_trigger JOIN relations AS r ON r.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'rule', title || ' ' || quote_ident(rulename), jsonb_build_object('event', ev_type, 'enabled', ev_enabled), NULL
    FROM pg_rewrite JOIN relations AS r ON r.oid = ev_class WHERE rulename <> '_RETURN'
    UNION ALL
    SELECT 'policy', title || ' ' || quote_ident(polname), jsonb_build_object(
        'for', polcmd, 'permissive', polpermissive, 'roles', ARRAY(SELECT pg_get_userbyid(unnest(polroles)) ORDER BY 1)), NULL
    FROM pg_policy JOIN relations AS r ON r.oid = polrelid
    UNION ALL
    SELECT 'function', format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), jsonb_build_object(
        'owner', pg_get_userbyid(proowner), 'language', lanname, 'kind', prokind, 'volatile', provolatile,
        'parallel', proparallel, 'strict', proisstrict, 'as owner', prosecdef, 'leakproof', proleakproof, 'cost', procost,
        'rows', prorows, 'settings', proconfig, 'returns', pg_get_function_result(p.oid), 'source', md5(prosrc)),
        coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc AS p JOIN spaces AS n ON n.oid = pronamespace JOIN pg_language AS l ON l.oid = prolang
    WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_proc'::regclass, p.oid))
    UNION ALL
    SELECT 'type', format('%I.%I', nspname, typname), jsonb_build_object(
        'owner', pg_get_userbyid(typowner), 'kind', typtype, 'of', format_type(nullif(typbasetype, 0), typtypmod),
        'not null', typnotnull, 'default', typdefault IS NOT NULL,
        'labels', ARRAY(SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)),
        coalesce(typacl, acldefault('T', typowner))
    FROM pg_type AS t JOIN spaces AS n ON n.oid = typnamespace
    WHERE typtype IN ('e', 'd', 'r') AND NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_type'::regclass, t.oid))
    UNION ALL
    SELECT 'statistics', format('%I.%I', nspname, stxname), jsonb_build_object(
        'of', stxrelid::regclass::text, 'owner', pg_get_userbyid(stxowner), 'kinds', stxkind, 'target', nullif(stxstattarget, -1)), NULL
    FROM pg_statistic_ext JOIN spaces AS n ON n.oid = stxnamespace
    UNION ALL
    SELECT 'event trigger', evtname, jsonb_build_object(
        'owner', pg_get_userbyid(evtowner), 'event', evtevent, 'enabled', evtenabled, 'tags', evttags, 'calls', evtfoid::regproc::text), NULL
    FROM pg_event_trigger AS e WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_event_trigger'::regclass, e.oid))
    UNION ALL
    SELECT 'publication', pubname, jsonb_build_object(
        'owner', pg_get_userbyid(pubowner), 'all', puballtables, 'insert', pubinsert, 'update', pubupdate, 'delete', pubdelete,
        'tables', ARRAY(SELECT prrelid::regclass::text FROM pg_publication_rel WHERE prpubid = p.oid ORDER BY 1)), NULL
    FROM pg_publication AS p
    UNION ALL
    SELECT 'foreign server', srvname, jsonb_build_object(
        'owner', pg_get_userbyid(srvowner), 'options', md5(ARRAY(SELECT unnest(srvoptions) ORDER BY 1)::text)),
        coalesce(srvacl, acldefault('S', srvowner))
    FROM pg_foreign_server
    UNION ALL
    SELECT 'user mapping', srvname || ' ' || usename, to_jsonb(md5(ARRAY(SELECT unnest(umoptions) ORDER BY 1)::text)), NULL
    FROM pg_user_mappings
    UNION ALL
    SELECT 'default privileges', concat_ws(' ', pg_get_userbyid(defaclrole), nullif(defaclnamespace, 0)::regnamespace::text, defaclobjtype),
        '{}', defaclacl
    FROM pg_default_acl
    UNION ALL
    SELECT 'operator', o.oid::regoperator::text, jsonb_build_object('owner', pg_get_userbyid(oprowner), 'calls', oprcode::text), NULL
    FROM pg_operator AS o JOIN spaces AS n ON n.oid = oprnamespace
    WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_operator'::regclass, o.oid))
    UNION ALL
    SELECT 'operator class', format('%I.%I', nspname, opcname), jsonb_build_object('owner', pg_get_userbyid(opcowner), 'default', opcdefault), NULL
    FROM pg_opclass AS o JOIN spaces AS n ON n.oid = opcnamespace
    WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_opclass'::regclass, o.oid))
    UNION ALL
    SELECT 'cast', castsource::regtype || ' to ' || casttarget::regtype, jsonb_build_object('context', castcontext, 'method', castmethod), NULL
    FROM pg_cast AS c WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_cast'::regclass, c.oid))
    UNION ALL
    SELECT 'collation', format('%I.%I', nspname, collname), jsonb_build_object(
        'owner', pg_get_userbyid(collowner), 'provider', collprovider, 'deterministic', collisdeterministic, 'collate', collcollate), NULL
    FROM pg_collation JOIN spaces AS n ON n.oid = collnamespace
    UNION ALL
    SELECT 'text search', format('%I.%I', nspname, cfgname), jsonb_build_object('owner', pg_get_userbyid(cfgowner)), NULL
    FROM pg_ts_config AS t JOIN spaces AS n ON n.oid = cfgnamespace
    WHERE NOT EXISTS (SELECT FROM members WHERE (classid, objid) = ('pg_ts_config'::regclass, t.oid))
    UNION ALL
    SELECT 'comments', classoid::regclass::text, jsonb_build_array(count(*), sum(hashtextextended(description, 0)::numeric)), NULL
    FROM pg_description AS d WHERE objoid >= 16384 AND classoid <> 'pg_extension'::regclass
        AND NOT EXISTS (SELECT FROM members WHERE (classid, objid) = (d.classoid, d.objoid))
    GROUP BY classoid
    UNION ALL
    SELECT 'large objects', 'all of them', jsonb_build_array(count(*), sum(hashtextextended(
        concat_ws(' ', oid, pg_get_userbyid(lomowner), md5(lo_get(oid)), cardinality(lomacl)), 0)::numeric)), NULL
    FROM pg_largeobject_metadata)
SELECT json_build_array(kind, name, CASE WHEN acl IS NULL THEN told ELSE told || jsonb_build_object('grants', ARRAY(
    SELECT concat(coalesce(nullif(pg_get_userbyid(grantee), 'unknown (OID=0)'), 'PUBLIC'), ' ', privilege_type, CASE WHEN is_grantable THEN '*' END)
    -- Since 17 owners have it besides.
    FROM aclexplode(acl) WHERE privilege_type <> 'MAINTAIN' ORDER BY 1)) END)
FROM found ORDER BY kind, name;
