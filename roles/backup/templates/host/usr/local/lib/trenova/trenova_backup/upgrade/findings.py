# Managed by trenova.selfhost.
"""What stands in the way of an upgrade, or should be known of it. Nothing here reads or writes anything.

asked: {database: what config/asked.sql says there}; what is of the whole server stands in each.
"""

from __future__ import annotations

import dataclasses

from trenova_backup.upgrade.target import plain_locale

TEMPLATE = "template0"
#: Settings that ALTER SYSTEM writes.
BY_SQL = "postgresql.auto.conf"
#: Locales that the C library has without a file of their own.
BUILT_IN = frozenset(("C", "POSIX", "C.utf8"))
#: Of each log that is written while a server is filled, this much may lie on the disk at most.
LOG_BYTES = 2_000_000_000
#: A new server without anything in it, and what indexes may take more than before.
EMPTY_BYTES, GROWTH = 60_000_000, 1.2
#: Whose locales a database has, as the catalogue and as initdb call it, and the option that names one.
PROVIDERS = {"c": ("libc", None), "i": ("icu", "icu-locale"), "b": ("builtin", "builtin-locale")}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One sentence, and whether an upgrade is impossible with it."""

    text: str
    is_blocking: bool = False


def any_of(asked):
    """What a server says of itself, whichever database was asked."""
    return next(iter(asked.values()))


def databases(asked):
    """Names of the databases whose contents are taken over, those that each server has first."""
    first = ["template1", "postgres"]
    names = [entry["name"] for entry in any_of(asked)["databases"] if entry["is_open"] and entry["name"] != TEMPLATE]
    return [name for name in first if name in names] + sorted(set(names) - set(first))


def connection(database):
    """The words that connect to a database, whatever it is called."""
    quoted = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{quoted}'"


def bytes_of(asked):
    """{database: bytes that it takes}."""
    return {entry["name"]: entry["bytes"] for entry in any_of(asked)["databases"]}


def needed_bytes(asked):
    """Bytes that a second server with the same contents takes until the end."""
    held = sum(bytes_of(asked).values())
    return int(held * GROWTH + min(held, LOG_BYTES) + EMPTY_BYTES)


def initdb(asked):
    """Options with which a new cluster is like the old one."""
    told = any_of(asked)
    template = next(entry for entry in told["databases"] if entry["name"] == TEMPLATE)
    name, option = PROVIDERS[template["provider"]]
    return [
        f"--encoding={template['encoding']}", f"--lc-collate={template['collate']}", f"--lc-ctype={template['ctype']}",
        "--locale=C.UTF-8", f"--wal-segsize={told['wal_segment_bytes'] // 1024 // 1024}", f"--locale-provider={name}",
        *([f"--{option}={template['locale']}"] if option else [])]


def of(asked, image, settings, wished, own_slots=()):
    """[Finding] of a server that is to be of another image, the blocking ones first.

    image: target.Image. settings: {name: removed or refused} of the settings that the new version does not take.
    """
    told = any_of(asked)
    found = [*_extensions(asked, image, wished), *_libraries(told, image, wished), *_settings(told, settings, wished),
             *_locales(told, image, wished), *_contents(told, own_slots), *_passwords(told, wished)]
    return sorted(found, key=lambda finding: not finding.is_blocking)


def _extensions(asked, image, wished):
    for database, told in asked.items():
        for name in told["extensions"]:
            if name not in image.extensions:
                yield Finding(f"The database {database} has the extension {name}, which {wished.image} lacks. Drop it "
                              "there, or name an image that has it.", True)


def _libraries(told, image, wished):
    for name in filter(None, (word.strip().strip('"') for word in told["preloaded"].split(","))):
        if name.rpartition("/")[2] not in image.libraries:
            yield Finding(f"shared_preload_libraries names {name}, which {wished.image} lacks. Remove it from there, "
                          "or name an image that has it.", True)


def _settings(told, settings, wished):
    places = {entry["name"]: entry["file"] for entry in told["settings"]}
    roles = {}
    for entry in told["role_settings"]:
        roles.setdefault(entry["name"], []).append(entry["of"])
    for name, state in sorted(settings.items()):
        why = "does not know" if state == "removed" else "refuses as it is"
        why = f"PostgreSQL {wished.major} {why}"
        if name in places and places[name].endswith(BY_SQL):
            yield Finding(f"ALTER SYSTEM has set {name}, which {why}. Write: ALTER SYSTEM RESET {name}.", True)
        elif name in places:
            yield Finding(f"{places[name].rpartition('/')[2]} sets {name}, which {why}. Take it out of "
                          "postgres_settings_extra.", True)
        elif state == "removed":
            yield Finding(f"{name} is set for {', '.join(roles[name])}, which {why}. Write: ALTER ROLE or ALTER "
                          f"DATABASE ... RESET {name}.", True)


def _locales(told, image, wished):
    known = image.locales | BUILT_IN
    for entry in told["databases"]:
        for name in sorted({entry["collate"], entry["ctype"]}):
            if entry["provider"] == "c" and plain_locale(name) not in known:
                yield Finding(f"The database {entry['name']} has the locale {name}, which {wished.image} lacks. Name "
                              "an image that has it.", True)


def _contents(told, own_slots):
    for entry in told["databases"]:
        if not entry["is_whole"]:
            yield Finding(f"The database {entry['name']} was never dropped to the end. Write: DROP DATABASE.", True)
        elif not entry["is_open"] and entry["name"] != TEMPLATE:
            yield Finding(f"Nobody may connect to the database {entry['name']}, so that it cannot be read. Write: "
                          "ALTER DATABASE ... ALLOW_CONNECTIONS true, or drop it.", True)
    if told["prepared"]:
        yield Finding(f"{told['prepared']} transactions are prepared (pg_prepared_xacts). End them: COMMIT PREPARED "
                      "or ROLLBACK PREPARED.", True)
    if told["tablespaces"]:
        yield Finding(f"Tables lie in tablespaces of their own ({', '.join(told['tablespaces'])}), whose directories "
                      "the new server does not have. Move what is in them to pg_default, and drop them.", True)
    if not told["is_first_role_ours"]:
        yield Finding("The role that made the cluster is not called postgres any more. Give it that name again.", True)
    others = [name for name in told["slots"] if name not in own_slots]
    if others:
        yield Finding(f"Replication slots are not taken over: {', '.join(others)}. Whoever uses one has to begin anew.")
    if told["subscriptions"]:
        yield Finding(f"Subscriptions come back switched off: {', '.join(told['subscriptions'])}. Write: ALTER "
                      "SUBSCRIPTION ... ENABLE, with a slot.")


def _passwords(told, wished):
    if told["md5_roles"]:
        warns = "warns of that, and a later one will refuse it" if wished.major >= 18 else "takes that, and 18 warns"
        names = ", ".join(told["md5_roles"])
        yield Finding(f"Passwords are stored as md5 of: {names}. PostgreSQL {wished.major} {warns}. Set them anew.")


def of_notes(asked, unknown, wished):
    """[Finding] of what a newer minor notes in its tables, and the client of an older one does not know."""
    if unknown:
        return [Finding(
            f"{wished.image} was made before the server that is here ({any_of(asked)['version_text']}), and does not "
            f"know what that notes of columns ({', '.join(unknown)}). Name a newer image of {wished.major}.", True)]
    return []


def of_collations(before, after):
    """[Finding] of databases that sort by another version of their collation than before. Both: asked."""
    now = {entry["name"]: entry for entry in any_of(after)["databases"]}
    changed = {}
    for entry in any_of(before)["databases"]:
        version, other = entry["collation_version"], now.get(entry["name"], {}).get("collation_version")
        if entry["is_open"] and version and other and version != other:
            changed.setdefault((entry["locale"] or entry["collate"], version, other), []).append(entry["name"])
    return [Finding(
        f"Of the locale {name} there is version {other}, and it was {version}. All indexes are made anew, so that they "
        f"are right; what an application has sorted itself may not be ({', '.join(names)}).")
        for (name, version, other), names in sorted(changed.items())]
