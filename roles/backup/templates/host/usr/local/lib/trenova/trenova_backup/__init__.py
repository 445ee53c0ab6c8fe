# Managed by trenova.selfhost.
"""Backups of an installation: what runs on the host, by systemd's timers and by hand, without Ansible.

Start with `runs`: a backup from its begin to its record. `kinds` knows how each kind of store is read and brought back,
`repository` and `mirror` know the targets. Nothing here knows a service by name: settings.json says what there is.
"""
