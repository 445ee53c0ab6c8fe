# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The backups of a server of the lab, as tests look at them."""

from __future__ import annotations

import json
import shlex

#: Keeps what anybody sees of processes and containers while a unit is at work, and what that has said. The client of a
#: test has a password in its environment, which is not the installation's doing.
WATCH = """
set -u
rm -rf {place} && mkdir -m 0700 {place} && ( {begin} ) >/dev/null || exit 1
is_at_work() {{ systemctl show --property ActiveState --value {unit} | grep -q activating; }}
for _attempt in $(seq 100); do is_at_work && break; sleep 0.05; done
number=0
while is_at_work; do
    number=$((number + 1))
    # Some live for less than it takes to look at all containers.
    for _turn in 1 2 3 4; do ps -eo args; sleep 0.1; done >{place}/processes-$number
    docker ps --format '{{{{.Names}}}}' | grep -vx papers | xargs --no-run-if-empty docker inspect \\
        >{place}/containers-$number 2>/dev/null
done
journalctl --no-pager --quiet --output cat --unit {unit} >{place}/journal
echo $number
"""
#: Which of some lines stand in the names of what is below a directory, or in the contents of its files.
TOLD = """
set -u
lines=$(mktemp)
printf '%s\\n' {lines} >$lines
{{ find {place} -mindepth 1 -printf '%P\\n' | grep --fixed-strings --only-matching --file=$lines
   grep --recursive --text --fixed-strings --only-matching --no-filename --file=$lines {place}; }} | sort --unique
rm $lines
"""


def lines_of(secrets):
    """The lines of secrets, by which each is known where it should not stand."""
    return sorted({line for value in secrets.values() if isinstance(value, str) for line in value.splitlines()
                   if len(line) > 15})


def told_by(host, place, lines):
    """Which of some lines the names of directories and files below a directory of a host tell, or their contents."""
    assert all(lines)
    return host.check_output(TOLD.format(place=place, lines=" ".join(map(shlex.quote, lines)))).splitlines()


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

    def watched(self, unit, begin):
        """Directory on the host with what anybody saw of processes and containers while a unit of systemd was at work,
        which a command has begun, and what the unit has said."""
        place = "/root/seen"
        seen = self.host.check_output(WATCH.format(unit=unit, begin=begin, place=place))
        assert int(seen) > 5
        return place

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
