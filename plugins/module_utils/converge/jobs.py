# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One-off jobs of the Compose file, migrations for instance, and whether they are due.

A job belongs to what it works with: an image, or the files of the service, and the data of what the service needs.
What it last succeeded for is kept in the state file, so that a new memory limit runs no migrations. Where data is made
anew or was replaced, that is forgotten.
"""

from __future__ import annotations

import hashlib
import json
import os

from ansible_collections.trenova.selfhost.plugins.module_utils import directories
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError, TookTooLong
from ansible_collections.trenova.selfhost.plugins.module_utils.files import RecordedFile, sha256
from ansible_collections.trenova.selfhost.plugins.module_utils.images import is_made_from

#: Successes of a job that are remembered.
REMEMBERED = 2
#: What the Engine says of a container that somebody else is removing, or has removed.
GOING = ("already in progress", "No such container")
#: Lines of its output that tell why a job failed.
LAST_LINES = 40


def due(service, files, changed_files, state, snapshot, is_forgotten=False):
    """The jobs of a service that have to run before anything of it is started or replaced."""
    if is_forgotten:
        return list(service["jobs"])
    found = []
    for job in service["jobs"]:
        known = state.jobs.get(job["service"])
        if job["once_per"] == "files" and changed_files or is_asked_for(job):
            found.append(job)
        elif known is None and is_done_by_first_edition(service, job, state, snapshot):
            continue
        elif known is None or key(job, files, snapshot.images) not in known:
            found.append(job)
    return found


def is_asked_for(job):
    """Whether a program of the service has found on the host that it has to run once more."""
    return bool(job.get("asked_by")) and os.path.exists(job["asked_by"])


def adopt(service, files, state, snapshot):
    """Record the jobs that the first edition has run for the image that runs now."""
    for job in service["jobs"]:
        if job["service"] not in state.jobs and is_done_by_first_edition(service, job, state, snapshot):
            remember(job, key(job, files, snapshot.images), state)


def remember(job, done, state):
    """Record what a job has succeeded for. What it did before that counts, too: a later failure puts it back."""
    if is_asked_for(job):
        os.unlink(job["asked_by"])
    before = [entry for entry in state.jobs.get(job["service"], []) if entry != done]
    state.jobs[job["service"]] = [done, *before][:REMEMBERED]


def emptied(services, states):
    """Names of the services that lack a directory for their data, or have an empty disk for it: what they get is new.

    states: by name, what is kept of where data lay.
    """
    found = set()
    for service in services:
        before = states[service["name"]].places if service["name"] in states else {}
        now = directories.places(service["directories"])
        if any(not os.path.isdir(path) or before.get(path, mount) != mount and directories.is_empty(path)
               for path, mount in now.items()):
            found.add(service["name"])
    return found


def forget(states, wanted, new, version):
    """Keep no more what jobs have succeeded for that worked with data of some services, which is made anew.

    `wanted` are the services of this run; of the others, what is kept says what they need.
    """
    needs = {service["name"]: service["needs"] for service in wanted}
    for state in states:
        description = (state.content.get("release") or {}).get("description") or {}
        known = bool(state.jobs or description)
        if known and new & {state.name, *needs.get(state.name, description.get("needs", []))}:
            state.content["jobs"] = {}
            # What that has done, it has done to other data.
            state.is_first_edition = False
            state.save(version)


def is_done_by_first_edition(service, job, state, snapshot):
    """Whether the first edition, which kept no keys, has run a job: a container runs from its image."""
    image = snapshot.images.get(job["image"])
    if not state.is_first_edition or job["once_per"] != "image" or image is None:
        return False
    found = [snapshot.containers.get(container["name"]) for container in service["containers"]]
    return any(each and each["State"]["Status"] == "running" and is_made_from(each, image) for each in found)


def key(job, files, images):
    """What a success of a job holds for; None where its image is not on the host."""
    digests = {managed.path: _digest(managed) for managed in files}
    if job["once_per"] == "files":
        return _text_digest(sorted(digests.items()))
    if job["image"] not in images:
        return None
    return _text_digest([images[job["image"]]["Id"], sorted((path, digests.get(path)) for path in job["files"])])


def run(job, project, engine):
    """Run a job to its end. Raises ConvergeError, with the last lines of its output, where it fails or does not end."""
    remove_leftovers(job, project, engine)
    try:
        done = engine.compose("run", "--rm", "--no-deps", "-T", job["service"], seconds=job["seconds"])
    except EngineError as error:
        sentence = "{} did not end; nothing was replaced: {}".format(job["says"], error)
        if isinstance(error, TookTooLong):
            sentence = "{} took longer than its {} s and was ended; nothing was replaced".format(
                job["says"], job["seconds"])
        try:
            remove_leftovers(job, project, engine)
        except EngineError as left:
            # What came first is what helps.
            sentence += f"; its container is still there: {left}"
        raise ConvergeError(sentence) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()[-LAST_LINES:]
        raise ConvergeError("{} failed; nothing was replaced".format(job["says"]), lines)


def remove_leftovers(job, project, engine):
    """Stop and remove containers of a job whose run was given up: they go on without the command that started them."""
    wanted = {"com.docker.compose.oneoff": "True", "com.docker.compose.service": job["service"]}
    left = sorted(
        name for name, found in engine.containers_of(project["name"]).items()
        if all(found.get(label) == value for label, value in wanted.items()))
    if left:
        engine.stop(*left)
        try:
            engine.remove(*left)
        except EngineError as error:
            # Such a container is removed by whoever started it, once it has stopped.
            if any(not any(words in line for words in GOING) for line in str(error).splitlines()):
                raise


def _digest(managed):
    return managed.sha256 if isinstance(managed, RecordedFile) else sha256(managed.content)


def _text_digest(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
