# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.module_utils.images import image_major
from ansible_collections.trenova.selfhost.plugins.plugin_utils import image_lock
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.following import Following
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import Catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of

ARGUMENTS = {
    "service": {"type": "str", "required": True},
    "confirm": {"type": "str", "default": ""},
    "back": {"type": "bool", "default": False},
    "end": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Has the host rehearse an upgrade, or do it where the installation and the major are named."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        work = Following(self, task_vars["inventory_hostname"], "upgrade")
        if arguments["end"]:
            is_new = not self._task.check_mode and work.ask("upgrade", "--end")["is_new"]
            return {"changed": is_new, "is_new": is_new}
        words = [*self._wished(task_vars, arguments["service"]), *(["--back"] if arguments["back"] else []),
                 *([f"--confirm={arguments['confirm']}"] if arguments["confirm"] else [])]
        plan = work.ask("upgrade", *words, "--plan")
        if plan.get("is_running"):
            work.tell("an upgrade or a rehearsal is at work already; this is how it goes on")
            return self._concluded(work, plan, {})
        if arguments["back"] and not arguments["confirm"]:
            return {"failed": True, "msg": _way_back(plan)}
        if plan.get("is_laid"):
            work.tell(f"the data is of PostgreSQL {plan['to']} already; what is left is the deployment")
            return {"changed": True, "is_done": True, "plan": plan}
        if self._task.check_mode:
            work.tell(f"would {'rehearse' if plan['is_rehearsal'] else 'make'} PostgreSQL {plan['to']} of "
                      f"{plan['from']}")
            return {"changed": not plan["is_rehearsal"], "is_done": False, "plan": plan}
        if plan.get("is_rehearsed") is False and not plan["is_begun"]:
            self._display.warning(
                f"{task_vars['inventory_hostname']}: the upgrade from PostgreSQL {plan['from']} to {plan['to']} was "
                "not rehearsed.")
        if not plan["is_rehearsal"]:
            work.tell(f"stopped meanwhile: {', '.join(plan['stops'])}")
        begun = work.ask("upgrade", *words, "--start")
        work.tell(f"it goes on without this playbook: journalctl -fu {begun['unit']}")
        return self._concluded(work, begun, plan)

    def _wished(self, task_vars, service):
        """Words for the server that the inventory names: its image, and where one of that major has its data."""
        catalogue = Catalogue(self, task_vars, project_of(self, task_vars), [service])
        image = catalogue.early(service, "image")
        state = catalogue.early(service, "state")[0]
        volume = catalogue.early(service, "exports")["data_volume"]
        machine = self._low_level_execute_command("uname -m").get("stdout", "").strip()
        digest = image_lock.digest_for(image_lock.lock_of(self, task_vars), image, machine)
        told = {"image": image, "major": image_major(image), "folder": state["backup"].get("folder", ""),
                "volume": volume, "digest": digest}
        return [f"--{name}={value}" for name, value in told.items() if value]

    def _concluded(self, work, begun, plan):
        record, text = work.until_end(begun)
        if not record or record["state"] != "ok":
            return {"failed": True, "msg": work.failure(
                record, begun["unit"], "It ended before it began.") + " " + _afterwards(record or {})}
        told = record.get("upgrade") or (record.get("drill") or {}).get("upgrade") or {}
        result = {"plan": plan, "report": text.splitlines(), "findings": told.get("findings", []),
                  "seconds": record["seconds"]}
        if record["verb"] == "rehearsal":
            work.tell(f"To do it: -e trenova_upgrade_confirm={plan['confirm']}" if plan else "To do it, confirm it.")
            return dict(result, changed=False, is_done=False, offline_seconds=told.get("seconds", 0))
        return dict(result, changed=True, is_done=True, copies=record.get("copies", {}))


def _afterwards(record):
    """How things are after one that has failed."""
    if record.get("verb") == "rehearsal":
        return "Nothing live was touched."
    told = record.get("upgrade") or {}
    if told.get("is_undone"):
        return "What was stopped was started again, on the data as it was."
    if told.get("is_begun") is False:
        return "Nothing was begun."
    return "Repeat this with the same words: it goes on from where it was."


def _way_back(plan):
    """What the way back would do, and how to do it."""
    if not plan["copy"]:
        what = (f"The upgrade of {plan['begun']} was interrupted before it changed anything: what it stopped would be "
                "started again.")
    else:
        what = (f"{plan['copy']}, what was there when the upgrade of {plan['begun']} began, would take the place of "
                f"the data of PostgreSQL {plan['from']}, which would be kept beside it. What was written since is not "
                "in it.")
    return f"Nothing was changed. {what} To do it, repeat this with -e trenova_upgrade_confirm={plan['confirm']}."
