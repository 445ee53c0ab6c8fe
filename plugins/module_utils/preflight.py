# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Everything that can be known to be wrong before anything is changed.

Every check is a function that takes the facts of one host and yields problems. All of them run, so that
one run tells all. A problem says what is wrong, where it stands, and what to write instead.
"""

from __future__ import annotations

import re

from ansible_collections.trenova.selfhost.plugins.module_utils import secret_kinds
from ansible_collections.trenova.selfhost.plugins.module_utils.compose import version_tuple
from ansible_collections.trenova.selfhost.plugins.module_utils.images import image_major, is_pinned

SUPPORTED_ARCHITECTURES = ("x86_64", "aarch64")
#: Family -> oldest version that the requirements or its own support allow.
SUPPORTED_DISTRIBUTIONS = {
    "debian": "12", "ubuntu": "22.04", "rhel": "9", "centos": "9", "rocky": "9", "almalinux": "9", "fedora": "41",
}
PLACEHOLDER_DOMAIN = re.compile(
    r"(^|\.)(example\.(com|org|net)|example|invalid|localhost)$|yourdomain|your-domain|changeme")
HOST_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
MAIL_ADDRESS = re.compile(r"[^@\s]+@([a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)
CLOCK_TOLERANCE_SECONDS = 30
REDIS_WITH_JSON = 8
INVENTORY = "group_vars of the inventory"
REGISTRY_NAME = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
#: What playbooks/images.yml builds.
OWN_IMAGE = re.compile(r"/trenova/[^/]+$")
#: Fault of a registry -> what, where, write.
REGISTRY_WIDE = {
    "unreachable": (
        "The registry {registry} cannot be reached from this host ({detail}); {count} to come from it.",
        "the registry, or the network between it and this host",
        "trenova_image_registry, trenova_own_registry: one that answers; or load an archive: playbooks/images.yml"),
    "plain": (
        "The registry {registry} cannot be used: {detail}; {count} to come from it.",
        "the registry, or docker_daemon_extra in the inventory",
        "give it a certificate; or docker_daemon_extra: {{insecure-registries: ['{registry}']}}"),
    "certificate": (
        "The certificate of the registry {registry} is not trusted ({detail}); {count} to come from it.",
        "docker_registry_ca in the inventory, or the registry",
        "docker_registry_ca: {{'{registry}': the certificate (PEM) of the authority that signed it}}; "
        "or, where it has expired or names another host, a new one there"),
    "login_missing": (
        "The registry {registry} asks for a login; {count} to come from it.",
        "docker_registry_logins in the inventory",
        "docker_registry_logins: {{'{registry}': {{username: ..., password: ...}}}}"),
    "login_refused": (
        "The registry {registry} refuses the login ({detail}); {count} to come from it.",
        "docker_registry_logins in the inventory, or root's .docker/config.json on the host",
        "docker_registry_logins: {{'{registry}': {{username: ..., password: ...}}}} as the registry knows them"),
    "answer": (
        "The registry {registry} cannot serve now ({detail}); {count} to come from it.",
        "the registry", "try again when it is well (429: too many requests; a login of yours allows more)"),
}


class Problem:
    """One thing that is wrong: what, where it is set, what to write instead."""

    def __init__(self, what, where, write):
        self.what = what
        self.where = where
        self.write = write

    def __repr__(self):
        return f"Problem({self.what!r}, {self.where!r}, {self.write!r})"

    def lines(self):
        """The problem in three lines."""
        return [self.what, "  where: " + self.where, "  write: " + self.write]


class Facts:
    """What the checks look at: variables of the inventory (resolved), capacity, plan, service descriptions."""

    def __init__(self, variables, capacity, plan, services, now=None, project_dir="/opt/trenova"):
        self.variables = variables
        self.capacity = capacity
        self.plan = plan
        #: The services that run here, or will.
        self.services = {name: service for name, service in services.items() if runs_here(service)}
        #: Those, and what is switched off, absent, or somebody else's.
        self.all_services = services
        self.now = now
        self.project_dir = project_dir


def runs_here(service):
    """Whether a service is a container of this host."""
    return service.get("enabled", True) and not service.get("absent")


def is_available(service):
    """Whether a service can be used from this host: it runs here, or is somebody else's."""
    return bool(service.get("external")) or runs_here(service)


def check_all(facts):
    """All problems of a host, in the order of the checks."""
    return [problem for check in CHECKS for problem in check(facts)]


def check_address(variables):
    """The address of the host is not that of the example inventory; asked before anybody is contacted."""
    address = str(variables.get("ansible_host") or variables.get("inventory_hostname") or "")
    if PLACEHOLDER_DOMAIN.search(address):
        yield Problem(
            f"The address of the host is still the example {address}.", "hosts.yml of the inventory",
            "ansible_host: the address by which the controller reaches the server")


def check_plan(facts):
    """The host is large enough for what is wanted."""
    for refusal in facts.plan["refusals"]:
        remedy = "; or ".join(refusal["remedy"])
        if refusal.get("override"):
            remedy += "; or, at your own risk, {}".format(refusal["override"])
        # The text goes on with the remedies, which have a line of their own here.
        what = refusal["text"].partition(" What helps")[0]
        yield Problem(what, "this host, rule {}".format(refusal["rule"]), remedy)


def check_distribution(facts):
    """The distribution and the architecture are supported ones."""
    found = facts.capacity["distribution"]
    oldest = SUPPORTED_DISTRIBUTIONS.get(found.get("id"))
    if oldest is None:
        yield Problem(
            "The distribution {} is not supported.".format(found.get("name", found.get("id"))), "/etc/os-release",
            "a host with Debian 12 or newer, Ubuntu 22.04 or newer, or a RHEL 9 family system")
    elif found.get("version") and version_tuple(found["version"]) < version_tuple(oldest):
        yield Problem(
            "{} is older than {} {}.".format(found["name"], found["id"], oldest), "/etc/os-release",
            f"upgrade the distribution to {oldest} or newer")
    architecture = facts.capacity["architecture"]
    if architecture not in SUPPORTED_ARCHITECTURES:
        yield Problem(
            f"The architecture {architecture} is not supported.", "the host's CPU",
            "a host of one of: {}".format(", ".join(SUPPORTED_ARCHITECTURES)))


def check_domain(facts):
    """The host names are real ones."""
    if not {"api", "client", "caddy"}.intersection(facts.services):
        return
    for variable in ("trenova_domain", "trenova_s3_domain", "trenova_jobs_domain"):
        name = facts.variables.get(variable)
        if variable == "trenova_domain" and not name:
            yield Problem("trenova_domain is missing.", INVENTORY, "trenova_domain: erp.your-company.com")
        elif name and PLACEHOLDER_DOMAIN.search(str(name)):
            yield Problem(
                f"{variable} is still the example {name}.", INVENTORY,
                f"{variable}: a host name of yours that points to this server")
        elif name and not HOST_NAME.fullmatch(str(name)):
            yield Problem(
                f"{variable} is no host name: {name}", INVENTORY,
                f"{variable}: letters, digits, dots and hyphens only, in lower case, without https://")


def check_tls(facts):
    """Certificates can be had the way that was chosen."""
    if "caddy" not in facts.services:
        return
    mode = facts.services["caddy"].get("tls")
    if mode == "acme":
        address = str(facts.variables.get("caddy_acme_email") or "")
        if not MAIL_ADDRESS.fullmatch(address) or PLACEHOLDER_DOMAIN.search(address.rsplit("@", 1)[-1]):
            yield Problem(
                "caddy_acme_email is {}.".format("still the example " + address if address else "missing"),
                INVENTORY, "caddy_acme_email: a mail address that you read")
    if mode == "proxy" and not facts.services["caddy"].get("trusted_proxies"):
        yield Problem(
            "caddy_tls is proxy, and caddy_trusted_proxies is missing.", INVENTORY,
            "caddy_trusted_proxies: [the address by which the proxy reaches this host]")
    if mode == "files":
        for variable in ("caddy_certificate_file", "caddy_certificate_key_file"):
            if not facts.variables.get(variable):
                yield Problem(
                    f"caddy_tls is files, and {variable} is missing.", INVENTORY,
                    f"{variable}: path of the PEM file on the controller")


def check_administrator(facts):
    """The administrator's address is a real one."""
    if "api" not in facts.services or facts.services["api"].get("bootstrap") == "off":
        return
    address = str(facts.variables.get("trenova_admin_email") or "")
    if not MAIL_ADDRESS.fullmatch(address) or PLACEHOLDER_DOMAIN.search(address.rsplit("@", 1)[-1]):
        yield Problem(
            "trenova_admin_email is {}.".format("not usable: " + address if address else "missing"),
            INVENTORY, "trenova_admin_email: the mail address with which the administrator logs in")


def check_secrets(facts):
    """Every secret is there, strong, and in the form that the software can take."""
    kinds = {}
    for service in facts.services.values():
        kinds.update(service.get("secrets") or {})
    for name in sorted(kinds):
        fault = secret_kinds.fault(kinds[name], facts.variables.get(name))
        if fault == "is missing":
            yield Problem(
                f"{name} is missing.", "group_vars/trenova/secrets.yml of the inventory",
                "ansible-playbook playbooks/secrets.yml -i <inventory>")
        elif fault:
            yield Problem(
                f"{name} {fault}.", "where the inventory sets it",
                "remove the line and run: ansible-playbook playbooks/secrets.yml -i <inventory>")


def check_images(facts):
    """Every image names one version, and is not one that is known not to work."""
    for name, service in sorted(facts.services.items()):
        image = service.get("image")
        if not image:
            continue
        if not is_pinned(image):
            yield Problem(
                f"{name}_image names no version: {image}", INVENTORY,
                "{}_image: {}:<version>, so that a run today and one next year start the same".format(
                    name, image.replace(":latest", "")))
    redis = facts.services.get("redis", {}).get("image", "")
    repository = redis.rsplit("/", 1)[-1]
    if "valkey" in repository or (repository.startswith("redis:") and 0 < image_major(redis) < REDIS_WITH_JSON):
        yield Problem(
            f"redis_image is {redis}, which has no JSON commands; every login to Trenova would fail.",
            INVENTORY, "redis_image: an image of Redis 8, for instance docker.io/library/redis:8.4.0")


def check_postgres_major(facts):
    """The image can read the data that is there."""
    found = facts.capacity["deployed"].get("postgres_major")
    image = facts.services.get("postgres", {}).get("image")
    wanted = image_major(image) if image else 0
    if found and wanted and str(wanted) != str(found):
        yield Problem(
            f"The data on the host is of PostgreSQL {found}; postgres_image is {image}, which cannot read it.",
            INVENTORY,
            f"postgres_image: an image of PostgreSQL {found}; a new major needs a dump and a restore")


def check_ports(facts):
    """The ports that will be published are free, or held by our own Caddy."""
    wanted = {int(port) for service in facts.services.values() for port in service.get("published_ports", [])}
    ours = _ports_of_project(facts)
    for port in sorted(wanted - ours):
        holders = [entry for entry in facts.capacity["listeners"] if entry["port"] == port]
        if holders:
            holder = holders[0]
            who = _container_on(facts, port) or "{} (process {})".format(holder["process"], holder["pid"])
            yield Problem(
                f"Port {port} is held by {who}.", "this host, address {}".format(holder["address"]),
                "stop it there, or set caddy_http_port / caddy_https_port to another port")


def check_needs(facts):
    """What a service cannot run without is in the play, on the host, or somebody else's."""
    for name, service in sorted(facts.services.items()):
        for need in service.get("needs", []):
            other = facts.all_services.get(need)
            if other and is_available(other):
                continue
            remedy = f"the role trenova.selfhost.{need} before {name}"
            if other and "external" in other:
                remedy += f", or {need}_mode: external for one that you have"
            if other and not other.get("absent"):
                yield Problem(
                    f"{name} needs {need}, which is switched off.", f"{need}_enabled, {need}_mode in the inventory",
                    f"{need}_enabled: true; or {remedy.rpartition(', or ')[2]}")
            else:
                yield Problem(
                    f"{name} needs {need}, which is neither in this play nor on the host.", "roles of the play", remedy)


def check_external(facts):
    """The address of what somebody else provides is known."""
    for name, service in sorted(facts.all_services.items()):
        for entry in service.get("reachable", []) if service.get("external") else []:
            if not entry["host"]:
                yield Problem(
                    f"{name}_mode is external, and {entry['variable']} is missing.", INVENTORY,
                    f"{entry['variable']}: name or address of the server")


def check_reachable(results):
    """What servers of somebody else's answered when the host asked them."""
    for result in results:
        if not result["ok"]:
            yield Problem(
                "{name}, which is external, cannot be used from this host: {detail}.".format(**result),
                "{} in the inventory, or that server and what lies between".format(result["variable"]),
                "{}: a server that answers this host as described".format(result["variable"]))


def check_logins(facts):
    """Every login of a registry is whole, and called as images call the registry."""
    logins = facts.variables.get("docker_registry_logins") or {}
    if not isinstance(logins, dict):
        yield Problem(
            "docker_registry_logins is no dictionary.", INVENTORY,
            "docker_registry_logins: {registry.your-company.com: {username: ..., password: ...}}")
        return
    for name, login in sorted(logins.items()):
        form = f"docker_registry_logins: {{{name}: {{username: ..., password: ...}}}}"
        if not REGISTRY_NAME.fullmatch(str(name)):
            yield Problem(
                f"docker_registry_logins names {name}, which is no registry.", INVENTORY,
                "docker_registry_logins: host or host:port as in the images' references, without https:// and path")
        elif not isinstance(login, dict) or set(login) != {"username", "password"}:
            yield Problem(f"The login of {name} needs username and password, and nothing else.", INVENTORY, form)
        elif not all(str(login[part] or "") for part in ("username", "password")):
            yield Problem(f"The login of {name} has an empty username or password.", INVENTORY, form)
        elif ":" in str(login["username"]):
            yield Problem(f"The username for {name} has a colon in it, which no registry can read.", INVENTORY, form)


def check_registries(findings, facts):
    """What registries answered when the host asked them for the images that it lacks."""
    for finding in findings:
        if finding["kind"] == "config":
            yield Problem(
                "The logins of registries cannot be kept: {detail}.".format(**finding), "this host",
                "remove that setting there; or log in there by hand, and remove docker_registry_logins")
            continue
        images = {reference: _variables_of(reference, facts) for reference in finding["images"]}
        if finding["kind"] in REGISTRY_WIDE:
            what, where, write = REGISTRY_WIDE[finding["kind"]]
            count = len(images)
            words = dict(finding, count="1 image is" if count == 1 else f"{count} images are")
            yield Problem(what.format(**words), where.format(**words), write.format(**words))
            continue
        own = {reference: names for reference, names in images.items() if OWN_IMAGE.search(reference)}
        others = {reference: names for reference, names in images.items() if reference not in own}
        for part, is_own in ((own, True), (others, False)):
            if part:
                yield _image_problem(finding, part, is_own, facts.capacity["architecture"])


def _variables_of(reference, facts):
    return ", ".join(f"{name}_image" for name, service in sorted(facts.services.items())
                     if service.get("image") == reference)


def _image_problem(finding, images, is_own, architecture):
    """The problem of images that a registry does not have as they are needed: ours, or somebody else's."""
    registry, variables = finding["registry"], ", ".join(images.values())
    one = len(images) == 1
    listed = ", ".join(reference[len(registry) + 1:] if reference.startswith(registry + "/") else reference
                       for reference in images)
    remedy = "{}: an image that is there".format("<role>_image" if not one else variables)
    build = "build and push: ansible-playbook playbooks/images.yml -i <inventory>"
    if is_own and registry == "docker.io":
        build = "trenova_own_registry: a registry of yours; then " + build
    if finding["kind"] == "absent":
        what = f"The registry {registry} does not have {listed}."
    elif finding["kind"] == "architecture":
        what = "{} {} made for {}, not for {} as this host is.".format(
            listed, "is" if one else "are", finding["detail"], architecture)
        build = f"build on a machine with {architecture} and push: ansible-playbook playbooks/images.yml -i <inventory>"
        remedy = remedy.replace("is there", f"is made for {architecture}")
    elif finding["login"]:
        what = f"The registry {registry} has not {listed}, or not for the login that is used."
        remedy += f"; or docker_registry_logins: a login of {registry} that may pull"
    else:
        what = f"The registry {registry} has not {listed}, or not without a login."
        remedy += f"; or docker_registry_logins: {{{registry}: {{username: ..., password: ...}}}}"
    where = f"{variables} in the inventory, or the registry"
    return Problem(what, where, f"{build}; or {remedy}" if is_own else remedy)


def _published(container):
    return {int(port) for port in re.findall(r":(\d+)->", container.get("ports", ""))}


def _ports_of_project(facts):
    return {
        port for container in facts.capacity["containers"]
        if container["project"] == "trenova" and container["working_dir"] in (None, facts.project_dir)
        for port in _published(container)}


def _container_on(facts, port):
    for container in facts.capacity["containers"]:
        if port in _published(container):
            return "the container {}".format(container["name"])
    return None


def check_project(facts):
    """No other Compose project of the same name, and no foreign container with one of our names."""
    for container in facts.capacity["containers"]:
        directory = container["working_dir"]
        if container["project"] == "trenova" and directory not in (None, facts.project_dir):
            yield Problem(
                "Another Compose project is called trenova; its container is {}.".format(container["name"]),
                str(directory),
                f"docker compose --project-directory {directory} down, after saving its data")
        elif container["project"] != "trenova" and str(container["name"]).startswith("tren-"):
            yield Problem(
                "The container {} has one of our names and is not ours.".format(container["name"]), "this host",
                "docker rename {} <another name>".format(container["name"]))


def check_clock(facts):
    """The clock is right: signed requests to the object storage are refused when it is off."""
    clock = facts.capacity.get("clock")
    if not clock or facts.now is None:
        return
    offset = clock["epoch_seconds"] - facts.now
    if abs(offset) > CLOCK_TOLERANCE_SECONDS:
        yield Problem(
            "The clock of the host is {:.0f} s {} the controller's.".format(
                abs(offset), "ahead of" if offset > 0 else "behind"), "this host",
            "install and start a time service: apt-get install chrony")


def check_docker(facts):
    """What is there of Docker can be used or replaced."""
    daemon = facts.capacity["docker"].get("daemon_json")
    if daemon and "unreadable" in daemon:
        yield Problem(
            "/etc/docker/daemon.json is no valid JSON: {}".format(daemon["unreadable"]), "this host",
            "mend or remove the file")
    if facts.capacity.get("service_manager") != "systemd":
        yield Problem("The host is not run by systemd.", "this host", "a host whose PID 1 is systemd")


CHECKS = (
    check_plan, check_distribution, check_docker, check_ports, check_project, check_clock, check_domain, check_tls,
    check_administrator, check_needs, check_external, check_secrets, check_logins, check_images, check_postgres_major,
)
