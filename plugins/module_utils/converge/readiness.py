# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether people can work with a container that was started, which its health check alone does not tell."""

from __future__ import annotations

import base64

from ansible_collections.trenova.selfhost.plugins.module_utils.account import Account, Refused
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.patience import NotYet, until_ok

#: From here on it is worth a word how long it took.
WORTH_A_WORD_SECONDS = 2


def prove(tools, entry, container, seconds):
    """Log in at a container and read, again and again for so many seconds. Returns what is to be said of it, or None.

    Raises ConvergeError, with the last lines of the container's log, where that does not work. An account that is
    refused proves that somebody is answered; its password may have been changed in the application.
    """
    name, address = entry["container"], _address(container)

    def send(method, path, body, headers):
        return tools.request(address, entry["port"], method, path, body, headers)

    account = Account(send, entry["login"], entry["origin"], base64.b64decode(entry["body"]).decode("utf-8"))

    def ask():
        try:
            account.proves()
        except Refused as failure:
            detail = f"{name} is taken as it is: {failure}, as {entry['user']}"
            return {"ok": True, "detail": detail, "refused": True}
        except NotYet as failure:
            return failure.answer()
        return {"ok": True, "detail": f"a login at {name} worked"}

    clock = tools.clock
    answer = until_ok(ask, clock.monotonic() + seconds, clock.monotonic, clock.sleep)
    if not answer["ok"]:
        raise ConvergeError(
            f"{name} is healthy, but nobody can work with it: {answer['detail']}", tools.engine.logs(name))
    return answer["detail"] if answer.get("refused") or answer["seconds"] >= WORTH_A_WORD_SECONDS else None


def _address(container):
    networks = container["NetworkSettings"]["Networks"].values()
    return next((network["IPAddress"] for network in networks if network.get("IPAddress")), "")
