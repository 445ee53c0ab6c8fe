# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The backups of a server of the lab, as tests look at them."""

from __future__ import annotations

import json


class Backups:
    """The backups of a server, by the program that makes them there."""

    command = "python3 -B /usr/local/lib/trenova/backup.py"

    def __init__(self, host):
        self.host = host

    def program(self, words):
        """Run the program; what it said."""
        return self.host.run(f"{self.command} {words}")

    def make(self):
        """Make a backup as the timer does: (exit code, what the status file says)."""
        code = self.host.run("systemctl start trenova-backup.service").rc
        return code, self.status()

    def status(self):
        """What the newest backup of all stores says of itself."""
        return json.loads(self.host.file("/var/lib/trenova/backup/status.json").content_string)

    def targets(self):
        """What each target holds."""
        return json.loads(self.host.check_output(f"{self.command} list --json"))["targets"]

    def snapshots(self, target="local"):
        """The snapshots of a target, oldest first."""
        return next(entry["snapshots"] for entry in self.targets() if entry["name"] == target)

    def records(self):
        """The records of all runs, oldest first."""
        return json.loads(self.host.check_output(
            "cd /var/lib/trenova/backup/records && python3 -c 'import glob, json; "
            "print(json.dumps([json.load(open(name)) for name in sorted(glob.glob(\"*.json\"))]))'"))
