# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A table that calls functions in every way in which a table can, which take down that they were called."""

from __future__ import annotations

TABLE = 'public."odd Loads"'
#: All that a table can call when a row is written into it, and what takes down that it did.
CALLING = """
CREATE TABLE called (by text);
CREATE FUNCTION note(text) RETURNS text LANGUAGE plpgsql AS
    'BEGIN INSERT INTO public.called VALUES ($1); RETURN $1; END';
CREATE FUNCTION is_good(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM public.note($1); RETURN true; END';
-- What a generated column calls must say that it changes nothing.
CREATE FUNCTION doubled(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.note(''generated''); RETURN 2 * $1; END';
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.note(TG_NAME); RETURN NEW; END';
CREATE DOMAIN plate AS varchar(9) CHECK (public.is_good('domain'));
CREATE DOMAIN own_plate AS plate NOT NULL DEFAULT public.note('default of a domain');
CREATE TYPE state AS ENUM ('loaded', 'gone');
CREATE TABLE "odd Loads" (
    id int PRIMARY KEY, told text DEFAULT public.note('default'),
    twice int GENERATED ALWAYS AS (public.doubled(id)) STORED, gone int, truck own_plate, trucks plate[],
    "It's" numeric(6, 2) CHECK (public.is_good('check')), state state);
CREATE INDEX ON "odd Loads" (public.doubled(id));
CREATE TRIGGER before_row BEFORE INSERT ON "odd Loads" FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER after_all AFTER INSERT ON "odd Loads" FOR EACH STATEMENT EXECUTE FUNCTION noted();
ALTER TABLE "odd Loads" ENABLE ALWAYS TRIGGER before_row;
INSERT INTO "odd Loads" VALUES
    (1, DEFAULT, DEFAULT, 0, 'A-B 1', '{A-B 1,"C D\\\\"}', 12.5, 'loaded'),
    (2, NULL, DEFAULT, 0, E'tab\\t', NULL, NULL, 'gone');
ALTER TABLE "odd Loads" DROP COLUMN gone;
"""
CALLERS = {"default", "generated", "domain", "check", "before_row", "after_all"}
REMOVED = """
DROP TABLE "odd Loads", called;
DROP DOMAIN own_plate, plate;
DROP TYPE state;
DROP FUNCTION note, is_good, doubled, noted;
"""
