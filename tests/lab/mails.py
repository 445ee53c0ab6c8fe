# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the lab's mail sink has got."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse


def mail(method, path):
    """Answer of the mail sink."""
    connection = http.client.HTTPConnection("172.30.60.3", 8025, timeout=10)
    connection.request(method, "/api/v1/" + path)
    answer = connection.getresponse().read()
    return json.loads(answer) if method == "GET" else None


def mailed(words):
    """Text of the mail that comes and holds some words."""
    for _attempt in range(60):
        found = mail("GET", "messages?query=" + urllib.parse.quote(words))["messages"]
        if found:
            return mail("GET", "message/" + str(found[0]["ID"]))["Text"]
        time.sleep(0.5)
    return ""
