# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host that only lends itself for drills: the kit of an installation is laid there, and most of it goes again."""

from __future__ import annotations

import base64
import contextlib
import shlex

from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.following import Following

#: PROJECT UNIT: exit codes that say what keeps a host from making drills.
LOOK = """
[ "$(id -u)" = 0 ] || exit 3
command -v python3 >/dev/null || exit 4
systemctl is-active --quiet docker && docker compose version >/dev/null 2>&1 || exit 5
[ -z "$(docker ps --all --quiet --filter "label=com.docker.compose.project=$1")" ] || exit 6
case $(systemctl is-active "$2") in active | activating | deactivating) exit 7 ;; esac
"""
AT_WORK = 7
FAULTS = {
    3: "{} is not root there. Nothing was done. Set trenova_become, or another ansible_user.",
    4: "{} has no Python 3, which the program of the backups needs. Nothing was done. Install it.",
    5: "{} has no Docker Engine with Compose that runs. Nothing was done. Install both, from its distribution or from "
       "Docker, and start the Engine.",
    6: "An installation lives on {} by itself, whose names a drill would take. Nothing was done. Choose a host without "
       "one.",
}
#: HOME ARCHIVE: what is there of an older kit goes, but for what the host knows of drills.
LAY = """
umask 077
mkdir -p "$1" && cd "$1" && rm -rf program project certificates units || exit 1
tar --extract --gzip --numeric-owner --same-owner --preserve-permissions --file "$2"; code=$?
rm -f "$2"; exit $code
"""
#: HOME UNIT: after a drill that is not to be repeated. One that has begun, which its answer may not have told, goes on
#: with what is there; the rest then goes by its unit.
TIDY = """
case $(systemctl is-active "$2") in active | activating | deactivating) exit ;; esac
rm -rf "$1/program" "$1/project" "$1/certificates" "$1/units" "/run/systemd/system/$2"
systemctl daemon-reload
"""


class Elsewhere:
    """The host, by the connection of an action. kit: home, project, unit, content, as drill_kit returns it."""

    def __init__(self, action, host, kit):
        self._action, self._host, self._kit = action, host, kit
        self.work = Following(
            action, host, "drill", ("/usr/bin/env", "python3", "-B", kit["home"] + "/program/backup.py"))

    @contextlib.contextmanager
    def laid(self, is_kept):
        """Have the kit there meanwhile, or for good. Raises AnsibleActionFail where the host cannot make drills."""
        code = self._run(LOOK, self._kit["project"], self._kit["unit"])
        if code == AT_WORK:
            yield
            return
        if code:
            raise AnsibleActionFail(FAULTS.get(code, "{} cannot be asked what it has. Nothing was done.").format(
                self._host))
        is_started = False
        try:
            self._lay()
            self.work.ask("drill", "--install")
            is_started = True
            yield
        finally:
            # What a drill goes on with, when nobody watches any more, goes by its unit.
            if not is_kept and (not is_started or not self.work.is_at_work):
                self._run(TIDY, self._kit["home"], self._kit["unit"])

    def _lay(self):
        folder = self._action._make_tmp_path()
        path = self._action._connection._shell.join_path(folder, "kit")
        try:
            self._action._transfer_data(path, base64.b64decode(self._kit["content"]))
            if self._run(LAY, self._kit["home"], path):
                raise AnsibleActionFail(f"What a drill needs cannot be written to {self._kit['home']} of {self._host}.")
        finally:
            self._action._remove_tmp_path(folder)

    def _run(self, script, *words):
        """The exit code of a script with words."""
        return self._action._low_level_execute_command(shlex.join(["sh", "-c", script, "sh", *words])).get("rc")
