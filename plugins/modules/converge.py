#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: converge
short_description: Bring all services of a host to their wanted state
version_added: 0.2.0
description:
  - The action plugin renders what is wanted of the services that the tags of the run choose, and tells of each as it
    ends.
  - Compares, writes, starts, replaces, reloads and removes, for all services of a host in one execution. A service
    begins when all that it needs are done. Side by side go only those of which nothing ran before; what ran is replaced
    by one service at a time, one container after the other.
  - A container whose digest label is the wanted one, which runs, is healthy and is on its networks, and of which the
    Engine says what it said when it was left, is left alone. Limits are set while it runs.
  - When a new container does not become healthy, its last log lines are shown, files and limits are put back and what
    ran before is started again. Services that are at work go on; those that need the failed one are not begun.
  - What is kept of each service on the host stands in C(.state) below the project's directory.
options:
  project:
    description: The project of Compose. Filled in by the action plugin, like all other options.
    type: dict
    suboptions:
      name: {description: Name of the project., type: str, default: trenova}
      directory: {description: Directory of the project., type: path, default: /opt/trenova}
      networks:
        description:
          - The networks by their key in Compose, each with C(name), C(internal), C(enable_ipv6) and C(driver). One on
            the Engine that is not so is removed with the containers on it, which are then started again.
        type: dict
        default: {}
  services:
    description: The services, in the order of the plan.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the role, which is also the directory below that of the project.
        type: str
        required: true
      state:
        description:
          - V(absent) stops and removes the containers and the files of the service, after all others are done. Its data
            stays.
        type: str
        choices: [present, absent]
        default: present
      wish:
        description:
          - Digest of all that is wanted. It is kept on the host when that is reached, and the measurement of the next
            run returns it when nothing has changed since.
        type: str
        default: ""
      needs:
        description: Services that must be done before this one begins. Those that are not in this run do not count.
        type: list
        elements: str
        default: []
      directories:
        description: Directories to create or mend.
        type: list
        elements: dict
        default: []
        suboptions:
          path: {description: Absolute path., type: path, required: true}
          mode: {description: Octal mode., type: str, default: "0755"}
          owner: {description: Numeric user., type: int, default: 0}
          group: {description: Numeric group., type: int, default: 0}
          data:
            description:
              - Whether the service keeps its data there. Where it is missing, jobs of what needs the service run again.
            type: bool
            default: false
      files:
        description: Files to write, the service's fragment for Compose and the base file of all fragments included.
        type: list
        elements: dict
        default: []
        suboptions: &file
          path: {description: Absolute path., type: path, required: true}
          content: {description: Wanted content., type: str, required: true}
          mode: {description: Octal mode., type: str, default: "0644"}
          owner: {description: Numeric user., type: int, default: 0}
          group: {description: Numeric group., type: int, default: 0}
      secret_files:
        description: As C(files), for content that must not be shown.
        type: list
        elements: dict
        default: []
        suboptions:
          path: {description: Absolute path., type: path, required: true}
          content: {description: Wanted content in base64., type: str, required: true}
          mode: {description: Octal mode., type: str, default: "0400"}
          owner: {description: Numeric user., type: int, default: 0}
          group: {description: Numeric group., type: int, default: 0}
      interim:
        description:
          - Contents that hold in place of those in C(files) until all other services of this run are done, an edge that
            must not yet lead to new instances for instance. They stay when a service fails.
        type: list
        elements: dict
        default: []
        suboptions: *file
      between:
        description:
          - Contents in place of those of C(interim) from when another service has started new containers,
            before it replaces the first that ran. Those of C(files) where there are none.
        type: list
        elements: dict
        default: []
        suboptions: *file
      past:
        description:
          - What leads past a container that serves beside others, for the time in which that one is replaced. The
            contents of C(files), or of C(between), hold again when it serves.
        type: list
        elements: dict
        default: []
        suboptions:
          container: {description: Name of the container., type: str, required: true}
          files: {description: Files as in C(files)., type: list, elements: dict, default: [], suboptions: *file}
      drain_seconds:
        description: How long requests may go on in a container that is not led to any more, before it is stopped.
        type: int
        default: 2
      host_files:
        description:
          - Files outside of the project's directory that go with the service when it is V(absent), or that it may have
            and is not to have now. Of an earlier edition there may be directories, which go with all that is in them.
        type: list
        elements: str
        default: []
      units:
        description: Units of systemd that the service brings, which shall be enabled and, unless they run once, run.
        type: list
        elements: str
        default: []
      pull:
        description: Whether images that are there are pulled again, because other ones may stand behind their tags now.
        type: bool
        default: false
      images:
        description: Images to pull where they are missing, and to prove once.
        type: list
        elements: dict
        default: []
        suboptions:
          reference: {description: Reference of the image., type: str, required: true}
          digest:
            description:
              - Digest of the manifest by which it is pulled and then called by its reference. An image that is there is
                pulled again only when it was pulled by another digest before.
            type: str
            default: ""
          user: {description: User and group that the container runs as., type: str, default: "0:0"}
          contract:
            description: What the image must have, clause by clause.
            type: list
            elements: dict
            default: []
            suboptions:
              says: {description: What the image must be., type: str, required: true}
              programs: {description: Programs that must be on its path., type: list, elements: str, default: []}
              command: {description: A command that must succeed in it., type: list, elements: str, default: []}
              capabilities: {description: Capabilities that the container has., type: list, elements: str, default: []}
              state: {description: "Directory that the command finds, where it exists, at C(/state).", type: path}
      containers:
        description: The containers, in the order in which they are replaced.
        type: list
        elements: dict
        default: []
        suboptions:
          key: {description: Key of the container within the service., type: str, required: true}
          service: {description: Name of the service in Compose., type: str, required: true}
          name: {description: Name of the container., type: str, required: true}
          image: {description: Reference of the image., type: str, required: true}
          digest:
            description: Digest of all that the container must be replaced for, limits aside.
            type: str
            required: true
          also: {description: Digests that mean the same., type: list, elements: str, default: []}
          limits:
            description: Limits that are set while the container runs; one that is left out is not looked at.
            type: dict
            default: {}
            suboptions:
              memory: {description: Memory in bytes., type: int}
              memory_swap: {description: Memory and swap in bytes., type: int}
              memory_reservation: {description: Memory in bytes that it is left as long as possible., type: int}
              nano_cpus: {description: "Processor time, in billionths of a core.", type: int}
              cpu_shares: {description: Weight among containers that all want the processor., type: int}
              pids_limit: {description: Number of processes and threads., type: int}
          networks:
            description: Names on the Engine of the networks that it must be on.
            type: list
            elements: str
            default: []
          wait_seconds: {description: How long it may take to become healthy., type: int, default: 120}
      jobs:
        description: Jobs of the Compose file, migrations say, that must succeed before a container is replaced.
        type: list
        elements: dict
        default: []
        suboptions:
          service: {description: Name of the job in Compose., type: str, required: true}
          image: {description: Reference of its image., type: str, required: true}
          files:
            description: Files of the service whose contents count for V(image).
            type: list
            elements: str
            default: []
          needs:
            description:
              - Those of the services in C(needs) without which the job cannot run. Where nothing of the service ran
                before it does not wait for the others. All of them by default.
            type: list
            elements: str
          seconds: {description: How long it may take., type: int, default: 900}
          says: {description: "What the job does, for messages.", type: str, required: true}
          once_per:
            description:
              - Whether the job is due once for an image, and the contents of its files, or whenever any file of the
                service changes.
            type: str
            choices: [image, files]
            default: image
          asked_by:
            description: File which makes the job due while it is there, and which a success of the job removes.
            type: str
      reload:
        description: Commands and signals that make a running service read changed files.
        type: list
        elements: dict
        default: []
        suboptions:
          files: {description: Paths whose change calls for it., type: list, elements: str, required: true}
          container: {description: "Container to run it in, the host itself when left out.", type: str}
          command: {description: The command., type: list, elements: str}
          signal: {description: Signal to send to the container in place of a command., type: str}
          after_start: {description: Whether to run it after each start of the container., type: bool, default: false}
          validate:
            description:
              - Command on the host that refuses a file before it takes its place. C({file}) stands for its path.
            type: list
            elements: str
            default: []
          log:
            description: Command on the host that prints why the command failed.
            type: list
            elements: str
            default: []
          says: {description: "What is done, for messages; the command when left out.", type: str, default: ""}
      follows:
        description: Containers after whose start a container of this service must have been started itself.
        type: list
        elements: str
        default: []
      hold:
        description: Commands around the restart of a container that ran before, which make its clients wait.
        type: list
        elements: dict
        default: []
        suboptions:
          container: {description: Container that the commands run in., type: str, required: true}
          before: {description: Command that makes clients wait., type: list, elements: str, required: true}
          after:
            description: Command that lets them go on. It runs whatever happened, up to three times until it succeeds.
            type: list
            elements: str
            required: true
          seconds: {description: How long each command may take., type: int, default: 30}
          says: {description: "What is done, for messages.", type: str, required: true}
      ready:
        description:
          - Logins that must work at a container that was started, beyond its health check. Where the account is
            refused, that is said, and the health check decides alone.
        type: list
        elements: dict
        default: []
        suboptions:
          container: {description: Name of the container., type: str, required: true}
          port: {description: Port on which it listens., type: int, required: true}
          origin: {description: Origin of the page from which the login comes., type: str, required: true}
          user: {description: "Account that logs in, for messages.", type: str, required: true}
          body: {description: Body of the login in base64., type: str, required: true}
          login:
            description: Paths of the login, of what only somebody who is logged in can read, and of the logout.
            type: dict
            required: true
            suboptions:
              uri: {description: Path of the login., type: str, required: true}
              me: {description: Path that is read., type: str, required: true}
              data: {description: Another one., type: str, required: true}
              logout: {description: Path that ends the session., type: str}
      release:
        description: What is kept for later runs.
        type: dict
        default: {}
        suboptions:
          description: {description: What other services need to know of this one., type: dict, default: {}}
          plan: {description: The part of the plan that concerns it., type: dict, default: {}}
  host:
    description: What is kept for later runs of the host itself.
    type: dict
    default: {}
  logins:
    description: Logins of registries as JSON in base64.
    type: str
    default: ""
  secrets:
    description: Values that are masked wherever they turn up in the output, in log lines for instance.
    type: list
    elements: str
    default: []
  progress:
    description: File on the host to which a line of JSON is appended for each service that has ended. None when empty.
    type: str
    default: ""
  version:
    description: Version of the collection, which stands in what is kept on the host.
    type: str
    default: ""
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Says what would be done in the words of what is done, and changes nothing. It needs no Engine.
  diff_mode:
    support: full
    details: Shows the difference of every file; of a secret only that it differs.
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Bring all services to their wanted state
  trenova.selfhost.converge:
"""

RETURN = r"""
services:
  description: The result of each service, by its name.
  returned: always
  type: dict
  contains:
    state:
      description:
        - What was (or would be) done, in one word. C(unchanged), C(started), C(replaced), C(restarted), C(reloaded),
          C(limits), C(written), C(removed), C(failed), or C(waited) where a service that it needs has failed.
      type: str
      returned: always
    says: {description: What was done and why., type: list, elements: str, returned: always}
    seconds: {description: How long it took., type: float, returned: always}
    put_back: {description: What was put back after a failure., type: list, elements: str, returned: always}
    log_lines: {description: What failed printed last., type: list, elements: str, returned: always}
changed_files:
  description: Paths that were (or would be) written or removed. Each service has this and the following, too.
  returned: always
  type: list
  elements: str
started:
  description: Containers that were (or would be) created, replaced or restarted.
  returned: always
  type: list
  elements: str
reloaded:
  description: Commands that made a service read its files again.
  returned: always
  type: list
  elements: str
removed:
  description: Containers that were (or would be) removed.
  returned: always
  type: list
  elements: str
limited:
  description: Containers whose limits were (or would be) set while they run.
  returned: always
  type: list
  elements: str
prepared:
  description: Jobs that were (or would be) run.
  returned: always
  type: list
  elements: str
rolled_back:
  description: What was put back after a failure.
  returned: always
  type: list
  elements: str
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import locking
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.run import Run
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.service import FAULTS
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import Engine, Tools

PLACE_OPTIONS = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0755"},
    "owner": {"type": "int", "default": 0},
    "group": {"type": "int", "default": 0},
}
FILE_OPTIONS = dict(
    PLACE_OPTIONS, content={"type": "str", "required": True}, mode={"type": "str", "default": "0644"})
DIRECTORY_OPTIONS = dict(PLACE_OPTIONS, data={"type": "bool", "default": False})
SECRET_FILE_OPTIONS = dict(
    FILE_OPTIONS, content={"type": "str", "required": True, "no_log": True}, mode={"type": "str", "default": "0400"})


def strings(**options):
    """Option that is a list of texts."""
    return dict({"type": "list", "elements": "str"}, **options or {"default": []})


def dicts(options, **more):
    """Option that is a list of structured values."""
    return dict({"type": "list", "elements": "dict", "options": options}, **more or {"default": []})


IMAGE_OPTIONS = {
    "reference": {"type": "str", "required": True},
    "digest": {"type": "str", "default": ""},
    "user": {"type": "str", "default": "0:0"},
    "contract": dicts({
        "says": {"type": "str", "required": True},
        "programs": strings(),
        "command": strings(),
        "capabilities": strings(),
        "state": {"type": "path"},
    }, required_one_of=[["programs", "command"]], default=[]),
}
CONTAINER_OPTIONS = {
    # A name within the service, no key of a cipher.
    "key": {"type": "str", "required": True, "no_log": False},
    "service": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "digest": {"type": "str", "required": True},
    "also": strings(),
    "limits": {
        "type": "dict", "default": {},
        "options": {
            "memory": {"type": "int"},
            "memory_swap": {"type": "int"},
            "memory_reservation": {"type": "int"},
            "nano_cpus": {"type": "int"},
            "cpu_shares": {"type": "int"},
            "pids_limit": {"type": "int"},
        },
    },
    "networks": strings(),
    "wait_seconds": {"type": "int", "default": 120},
}
JOB_OPTIONS = {
    "service": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "files": strings(),
    "needs": {"type": "list", "elements": "str"},
    "seconds": {"type": "int", "default": 900},
    "says": {"type": "str", "required": True},
    "once_per": {"type": "str", "choices": ["image", "files"], "default": "image"},
    "asked_by": {"type": "str"},
}
RELOAD_OPTIONS = {
    "files": strings(required=True),
    "container": {"type": "str"},
    "command": {"type": "list", "elements": "str"},
    "signal": {"type": "str"},
    "after_start": {"type": "bool", "default": False},
    "validate": strings(),
    "log": strings(),
    "says": {"type": "str", "default": ""},
}
HOLD_OPTIONS = {
    "container": {"type": "str", "required": True},
    "before": strings(required=True),
    "after": strings(required=True),
    "seconds": {"type": "int", "default": 30},
    "says": {"type": "str", "required": True},
}
READY_OPTIONS = {
    "container": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "origin": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "body": {"type": "str", "required": True, "no_log": True},
    "login": {
        "type": "dict", "required": True,
        "options": {
            "uri": {"type": "str", "required": True},
            "me": {"type": "str", "required": True},
            "data": {"type": "str", "required": True},
            "logout": {"type": "str"},
        },
    },
}
SERVICE_OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "wish": {"type": "str", "default": ""},
    "needs": strings(),
    "directories": dicts(DIRECTORY_OPTIONS),
    "files": dicts(FILE_OPTIONS),
    # Their content is masked; paths and modes are none of the secret.
    "secret_files": dicts(SECRET_FILE_OPTIONS, no_log=False, default=[]),
    "interim": dicts(FILE_OPTIONS),
    "between": dicts(FILE_OPTIONS),
    "past": dicts({"container": {"type": "str", "required": True}, "files": dicts(FILE_OPTIONS)}),
    "drain_seconds": {"type": "int", "default": 2},
    "host_files": strings(),
    "units": strings(),
    "pull": {"type": "bool", "default": False},
    "images": dicts(IMAGE_OPTIONS),
    "containers": dicts(CONTAINER_OPTIONS),
    "jobs": dicts(JOB_OPTIONS),
    "reload": dicts(
        RELOAD_OPTIONS, default=[], required_one_of=[["command", "signal"]], mutually_exclusive=[["command", "signal"]],
        required_by={"signal": ["container"]}),
    "follows": strings(),
    "hold": dicts(HOLD_OPTIONS),
    "ready": dicts(READY_OPTIONS),
    "release": {
        "type": "dict", "default": {},
        "options": {"description": {"type": "dict", "default": {}}, "plan": {"type": "dict", "default": {}}},
    },
}
ARGUMENT_SPEC = {
    "project": {
        "type": "dict", "apply_defaults": True,
        "options": {
            "name": {"type": "str", "default": "trenova"},
            "directory": {"type": "path", "default": "/opt/trenova"},
            "networks": {"type": "dict", "default": {}},
        },
    },
    "services": dicts(SERVICE_OPTIONS),
    "host": {"type": "dict", "default": {}},
    "logins": {"type": "str", "default": "", "no_log": True},
    "secrets": strings(default=[], no_log=True),
    "progress": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
}


def main():
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run = Run(module.params, Tools(Engine(module.params["project"]["directory"])), module.check_mode)
    try:
        # From before the first look: what the watch is restarting does not run, and will in a moment.
        with contextlib.nullcontext() if module.check_mode else locking.held():
            run.execute()
    except (*FAULTS, locking.LockError) as error:
        module.fail_json(msg="\n".join(filter(None, [run.failure(), str(error)])), **run.result())
    finally:
        run.progress.remove()
    for sentence in run.warnings:
        module.warn(sentence)
    if run.failure():
        module.fail_json(msg=run.failure(), **run.result())
    module.exit_json(**run.result())


if __name__ == "__main__":
    main()
