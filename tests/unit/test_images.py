# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import images


@pytest.mark.parametrize(("reference", "pinned", "major"), [
    ("docker.io/library/postgres:17.11", True, 17),
    ("docker.io/library/postgres:18-trixie", True, 18),
    ("registry.test:5000/library/redis", False, 0),
    ("redis:latest", False, 0),
    ("edoburu/pgbouncer:v1.25.2-p0", True, 1),
    ("postgres@sha256:abcd", True, 0),
    ("trenova/minio:RELEASE.2026-02-12T20-18-48Z", True, 0),
])
def test_reference(reference, pinned, major):
    assert images.is_pinned(reference) is pinned
    assert images.image_major(reference) == major


@pytest.mark.parametrize(("reference", "short"), [
    ("docker.io/library/postgres:17.11", "postgres:17.11"),
    ("docker.io/edoburu/pgbouncer:v1", "edoburu/pgbouncer:v1"),
    ("172.30.60.2:5000/library/redis:8", "172.30.60.2:5000/library/redis:8"),
    ("postgres:17.11@sha256:ab", "postgres@sha256:ab"),
    ("postgres", "postgres:latest"),
])
def test_familiar_spelling(reference, short):
    assert images.familiar(reference) == short


def test_proof_holds_for_image_contract_and_user():
    contract = [{"says": "x", "command": ["true"]}]
    proof = images.proof("sha256:1", contract, "1:1")
    assert images.proof("sha256:1", [dict(contract[0], capabilities=[])], "1:1") == proof
    assert images.proof("sha256:2", contract, "1:1") != proof
    assert images.proof("sha256:1", contract, "2:2") != proof


@pytest.mark.parametrize("shell", [name for name in ("dash", "bash", "busybox") if shutil.which(name)])
@pytest.mark.parametrize(("programs", "command", "missing"), [
    (["ls"], [], None),
    (["ls", "cat"], ["test", "a b", "=", "a b"], None),
    (["no-such-program"], [], "no-such-program"),
    (["ls", "cat", "no-such-program"], ["true"], "no-such-program"),
    (["no-such-program", "ls"], ["true"], "no-such-program"),
    (["ls"], ["false"], ""),
])
def test_every_program_of_a_clause_is_looked_for(shell, programs, command, missing):
    # In dash, `command -v a b` looks for a alone.
    shell_, *rest = images.clause_command(dict(images.EMPTY_CLAUSE, programs=programs, command=command))
    assert shell_ == "sh"
    run = subprocess.run([*({"busybox": ["busybox", "sh"]}.get(shell, [shell])), *rest],
                         capture_output=True, text=True, check=False)
    assert (run.returncode == 0) is (missing is None)
    assert (f"the program {missing} is missing" in run.stderr) is bool(missing)


def test_a_clause_without_programs_is_its_command():
    assert images.clause_command(dict(images.EMPTY_CLAUSE, command=["true"])) == ["true"]
