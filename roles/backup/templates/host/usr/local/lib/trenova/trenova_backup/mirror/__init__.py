# Managed by trenova.selfhost.
"""The objects of an S3 store in a target, encrypted, each version as long as a restore point wants it.

    <target>/<store>/current/<bucket>/<key>             what the store held at the last sync
    <target>/<store>/replaced/<stamp>/<bucket>/<key>    what the sync of that stamp found replaced or deleted
    <target>/<store>/lists/<stamp>                      what `current` held after it

The version of an object at T is that of the newest list up to T, and lies in the oldest `replaced` after that list, or
in `current`. Rows that come back as well may point to what was deleted between them and that list: it is taken from the
lists before. Nothing is ever deleted but by `retain`.

A line of a list is a path as JSON, its size in bytes, its time in the source, its MD5 and its headers as JSON, between
tabs; lists are sorted by path, so that two of them compare as streams, whatever the number of objects. In place of the
MD5:

    (nothing)  the source knows none: an upload in parts
    ?          what `current` holds here, if anything, is not known; no restore takes it, a sync moves it aside
    ~          `current` holds this object as it was while it was overwritten; a sync moves it aside
    !          `current` should hold this version and does not; a sync copies it again

Start with `target`. `sync` plans and does, `lists` compares, `work` is what the host keeps, `steps` what containers do.
"""
