# Managed by trenova.selfhost.
"""A drill: the newest backup is brought back beside what lives, started where nobody reaches it, and asked."""
