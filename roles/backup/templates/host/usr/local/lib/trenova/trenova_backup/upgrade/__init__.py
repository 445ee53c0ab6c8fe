# Managed by trenova.selfhost.
"""PostgreSQL's next major: a new server beside the old one is given all that this has, and takes its place."""
