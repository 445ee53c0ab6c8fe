#!/usr/bin/env python3
"""Builds the lab's images, tags them for the lab's registry and pushes them there.

    build.py [--registry HOST:PORT [--push]] [--only NAME ...] [--no-tests] [--force] [--list]

Reads lab-images.yml. Builds two images at a time with the classic builder, since buildx is not everywhere. What has not
changed (Dockerfile, context, build arguments, base image, images that it is made from) is skipped: a digest of all that
is a label of the image. Locally the images are called trenova-lab/<path>:<tag>. Needs PyYAML, which comes with
ansible-core. A first build compiles for minutes: what is being built, and which step of it, is told every half minute.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]
LABEL = "trenova-lab.digest"
#: Makes a minimal Debian of a release.
BASE_IMAGE = TOP / "molecule/lab/files/base-image"
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
IGNORED = {"ca-bundle.crt", "README.md", "image.yml", "__pycache__", "target", ".gitignore"}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
START = time.monotonic()
PRINT = threading.Lock()
#: Seconds between two lines about builds that go on.
TELL_EVERY = 30


class Failed(Exception):
    """A docker command that failed, with what it printed."""

    def __init__(self, what, log=""):
        super().__init__(what)
        self.log = log


def lab_images():
    """The images of lab-images.yml, in its order."""
    return yaml.safe_load((HERE / "lab-images.yml").read_text())["lab_images"]


def docker(*args, check=True):
    """What a docker command prints; nothing if it fails and `check` is off."""
    done = subprocess.run(
        ["docker", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        check=False,
    )
    if check and done.returncode:
        raise Failed("docker " + " ".join(args[:2]), done.stdout)
    return done.stdout if done.returncode == 0 else ""


def docker_build(*args, step):
    """Build an image; each step of the Dockerfile is handed over as it begins."""
    process = subprocess.Popen(
        ["docker", "build", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env={**os.environ, "DOCKER_BUILDKIT": "0"})
    log = []
    for line in process.stdout:
        log.append(line)
        if line.startswith("Step "):
            step(" ".join(line.split())[5:80])
    if process.wait():
        raise Failed("docker build", "".join(log))


def inspect(reference):
    """Docker's description of a local image; None if there is no such image."""
    out = docker("image", "inspect", reference, check=False)
    return json.loads(out)[0] if out else None


def say(name, what, since, detail=""):
    """One line of progress: what happened to an image, and how long it took."""
    with PRINT:
        now = time.monotonic()
        print(f"{now - START:6.1f} s  {what:<9} {name:<13} {now - since:6.1f} s  {detail}".rstrip(), flush=True)


class Builder:
    """Builds, tags and pushes images of the list, and remembers their digests."""

    def __init__(self, options, images):
        self.options = options
        self.images = {image["name"]: image for image in images}
        self.digests = {}
        #: Name -> (since when, step) of what is being built.
        self.steps = {}
        base = inspect(options.base)
        if base is None:
            docker("pull", options.base)
            base = inspect(options.base)
        self.base_layers = base["RootFS"]["Layers"]

    def local(self, name):
        """The local reference of an image."""
        image = self.images[name]
        return f"trenova-lab/{image['path']}:{image['tag']}"

    def needs(self, image):
        """The names of the images that one is made from."""
        return [*image.get("needs", []), *image.get("content", {})]

    def args(self, image):
        """The build arguments of an image; @name has become a reference."""
        return {k: self.local(v[1:]) if str(v).startswith("@") else v for k, v in image.get("args", {}).items()}

    def sources(self, image):
        """Relative name -> file, the Dockerfile's own folder winning over `context`."""
        found = {}
        for folder in (image.get("context"), image["folder"]):
            root = TOP / folder if folder else None
            for path in sorted(root.rglob("*")) if root else ():
                parts = path.relative_to(root).parts
                if path.is_file() and not IGNORED.intersection(parts) and not path.name.endswith("_test.go"):
                    found["/".join(parts)] = path
        return found

    def digest(self, image, sources):
        """A digest of all that an image is made from."""
        sha = hashlib.sha256()
        for name in sorted(sources):
            executable = bool(sources[name].stat().st_mode & 0o100)
            sha.update(f"{name} {executable} {hashlib.sha256(sources[name].read_bytes()).hexdigest()}\n".encode())
        needed = [self.digests[name] for name in self.needs(image)]
        fixed = [self.base_layers, self.args(image), image.get("content", {}), needed]
        sha.update(json.dumps(fixed, sort_keys=True).encode())
        return sha.hexdigest()

    def lay_out(self, image, sources, to):
        """Fills a folder with the build context of an image."""
        for name, path in sources.items():
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        for other, folder in image.get("content", {}).items():
            container = docker("create", self.local(other), "none").split()[-1]
            try:
                docker("cp", f"{container}:{folder}/.", str(to))
            finally:
                docker("rm", container, check=False)
        if self.options.ca_bundle and not image.get("content"):
            shutil.copy(self.options.ca_bundle, to / "ca-bundle.crt")

    def build(self, name):
        """Builds an image unless it is there unchanged, and publishes it."""
        since = time.monotonic()
        image = self.images[name]
        sources = self.sources(image)
        digest = self.digests[name] = self.digest(image, sources)
        present = inspect(self.local(name))
        if present and not self.options.force and (present["Config"].get("Labels") or {}).get(LABEL) == digest:
            say(name, "unchanged", since)
        else:
            self.need_base(image)
            with tempfile.TemporaryDirectory(prefix="trenova-lab-") as folder:
                self.lay_out(image, sources, Path(folder))
                args = {"DEBIAN_IMAGE": self.options.base, **self.args(image)}
                options = [f"--build-arg={key}={value}" for key, value in args.items()]
                # Predefined by Docker: they reach the build without being kept in the image.
                options += [f"--build-arg={variable}" for variable in PROXIES if variable in os.environ]
                if self.options.no_cache:
                    options.append("--no-cache")
                options += ["--label", f"{LABEL}={digest}", "--tag", self.local(name)]
                self.steps[name] = since, ""
                say(name, "building", since)
                docker_build("--force-rm", *options, folder, step=lambda step: self.steps.update({name: (since, step)}))
            del self.steps[name]
            size = inspect(self.local(name))["Size"] / 1e6
            say(name, "built", since, f"{size:.0f} MB  {image['path']}:{image['tag']}")
        self.publish(name, image)

    def need_base(self, image):
        """Have the release of Debian that an image is made from, where that is another one than the others'."""
        if "suite" in image:
            done = subprocess.run(
                [str(BASE_IMAGE), image["args"]["DEBIAN_IMAGE"], image["suite"], "trenova.lab.image=1"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                raise Failed("the base image", done.stdout)

    def tell(self):
        """A line about each image that is still being built."""
        for name, (since, step) in list(self.steps.items()):
            say(name, "goes on", since, step)

    def publish(self, name, image):
        """Tags an image for the registry and pushes it there, as far as that is wanted."""
        if not self.options.registry or image.get("push") is False:
            return
        since = time.monotonic()
        target = f"{self.options.registry}/{image['path']}:{image['tag']}"
        docker("tag", self.local(name), target)
        if self.options.push:
            docker("push", target)
            say(name, "pushed", since, target)


def run(builder, wanted, jobs):
    """Builds the wanted images, each after those that it needs; the exit code."""
    todo, done, running = list(wanted), set(), {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        while todo or running:
            for name in list(todo):
                ready = all(n in done for n in builder.needs(builder.images[name]))
                if ready and len(running) < jobs:
                    todo.remove(name)
                    running[pool.submit(builder.build, name)] = name
            finished, _ = concurrent.futures.wait(
                running, timeout=TELL_EVERY, return_when=concurrent.futures.FIRST_COMPLETED)
            if not finished:
                builder.tell()
            for future in finished:
                name = running.pop(future)
                try:
                    future.result()
                except Failed as failure:
                    print(f"\n{name}: {failure} failed. Its last lines:\n", file=sys.stderr)
                    print("\n".join("    " + line for line in failure.log.splitlines()[-30:]), file=sys.stderr)
                    todo.clear()
                    for other in running:
                        other.cancel()
                    return 1
                done.add(name)
    return 0


def with_needs(builder, names):
    """The names and all that they need, in the order of the list."""
    keep, look = set(), list(names)
    while look:
        name = look.pop()
        if name not in builder.images:
            raise SystemExit(f"no image is called {name}; there are: {', '.join(builder.images)}")
        keep.add(name)
        look += [n for n in builder.needs(builder.images[name]) if n not in keep]
    return [name for name in builder.images if name in keep]


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="See the head of this file.")
    parser.add_argument("--registry", metavar="HOST:PORT", help="tag the images for this registry")
    parser.add_argument("--push", action="store_true", help="and push them there")
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", action="extend", help="build these (and what they are made from)"
    )
    parser.add_argument("--no-tests", action="store_true", help="leave out what only tests need")
    parser.add_argument(
        "--force", action="store_true", help="build what has not changed, too (layers may still come from the cache)"
    )
    parser.add_argument("--no-cache", action="store_true", help="use no cached layer")
    parser.add_argument("--jobs", type=int, default=2, help="images built at the same time (default 2)")
    parser.add_argument("--base", default="trenova-lab/debian:13", help="Debian 13 base image (default %(default)s)")
    parser.add_argument(
        "--ca-bundle",
        default=SYSTEM_BUNDLE if os.path.isfile(SYSTEM_BUNDLE) else "",
        help="CA certificates for the build stages (default: the system's; '' for none)",
    )
    parser.add_argument("--list", action="store_true", help="print `<path>:<tag> <name>` for each image and end")
    options = parser.parse_args()
    if options.push and not options.registry:
        parser.error("--push needs --registry")

    images = lab_images()
    if options.list:
        for image in images:
            print(f"{image['path']}:{image['tag']} {image['name']}")
        return 0
    try:
        builder = Builder(options, images)
    except Failed as failure:
        raise SystemExit(f"base image {options.base}: {failure.log.strip()}") from failure
    wanted = options.only or [
        image["name"] for image in images
        if not image.get("named") and not (options.no_tests and image.get("tests"))]
    code = run(builder, with_needs(builder, wanted), options.jobs)
    print(f"{time.monotonic() - START:6.1f} s  {'done' if code == 0 else 'failed'}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
