# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.following import Following

ARGUMENTS = {
    "stores": {"type": "list", "elements": "str", "default": []},
    "to": {"type": "str", "default": ""},
    "target": {"type": "str", "default": ""},
    "confirm": {"type": "str", "default": ""},
    "only": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Shows what a restore would do, and has the host do it where the installation is named, or it is but a part."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        because = _no_part(arguments)
        if because:
            return {"failed": True, "msg": because}
        work, only = Following(self, task_vars["inventory_hostname"], "restore"), arguments["only"]
        words = [word for store in arguments["stores"] for word in ("--store", store)]
        words += [f"--{name}={arguments[name]}" for name in ("only", "to", "target", "confirm") if arguments[name]]
        told = work.ask("restore", *words, "--plan", "--json")
        if told.get("is_running"):
            if bool(only) != told["is_part"]:
                return {"failed": True, "msg": (
                    f"Nothing was begun: a restore of {'a part' if told['is_part'] else 'whole stores'} is at work. "
                    f"Repeat this when it has ended; journalctl -fu {told['unit']} shows it.")}
            work.tell("a restore is at work already; this is how it goes on")
            return self._concluded(work, told, {}, arguments)
        self._display.display("\n".join(f"  {line}" for line in ["", *told.pop("text").splitlines(), ""]))
        if self._task.check_mode:
            return {"changed": True, "plan": told}
        if not only and not arguments["confirm"]:
            return {"failed": True, "msg": (
                f"Nothing was changed. To replace the data of {told['installation']}, repeat this with "
                f"-e trenova_restore_confirm={told['installation']}.")}
        begun = work.ask("restore", *words, *([] if only else ["--leave-stopped"]), "--start")
        work.tell(f"it goes on without this playbook: journalctl -fu {begun['unit']}")
        return self._concluded(work, begun, told, arguments)

    @staticmethod
    def _concluded(work, begun, told, arguments):
        record, _text = work.until_end(begun)
        asked = {name: arguments[name] for name in ("only", "to", "target", "stores")} if arguments["only"] else None
        if record and record.get("part") not in (None, asked):
            return {"failed": True, "msg": (
                f"What was at work was the restore of another part, {record['part']['only']}. Repeat this for "
                f"{arguments['only']}.")}
        if record and record["state"] == "ok":
            for place in sorted(filter(None, record.get("copies", {}).values())):
                where = place if place.startswith("/") else f"the bucket {place}"
                work.tell(f"what was there before is in {where}, until a good backup a week later")
            told = {"changed": True, "plan": told, "seconds": record["seconds"]}
            return dict(told, where=record["where"]) if asked else dict(told, copies=record.get("copies", {}))
        then = ("Nothing was replaced, and nobody was stopped: repeat this." if asked else "Repeat this with the same "
                "words: it goes on from where it was, and what was there before is kept.")
        return {"failed": True, "msg": work.failure(record, begun["unit"], "It ended before it began.") + " " + then}


def _no_part(arguments):
    """Why the arguments are no wish for a part of a store; "" where they are, or where all of it is wanted."""
    if not arguments["only"]:
        return ""
    if len(arguments["stores"]) != 1:
        named = " and ".join(arguments["stores"]) or "none"
        return (f"trenova_restore_only is a part of one store, and trenova_restore_stores names {named}. Write "
                "-e trenova_restore_stores=NAME, the one that has the part, as playbooks/backups.yml calls it.")
    if arguments["confirm"]:
        return ("trenova_restore_only brings a part back beside the live ones. It replaces nothing, so nobody confirms "
                "it. Leave out trenova_restore_confirm; or leave out trenova_restore_only, to replace the store.")
    return ""
