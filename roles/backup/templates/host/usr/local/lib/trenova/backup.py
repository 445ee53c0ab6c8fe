# Managed by trenova.selfhost.
"""Backups of the installation on this host. `python3 -B /usr/local/lib/trenova/backup.py --help` tells the verbs."""

import sys

from trenova_backup.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
