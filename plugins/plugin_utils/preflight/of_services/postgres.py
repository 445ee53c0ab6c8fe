# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong between PostgreSQL's image and the data that is there."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.images import image_major
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem


def check_postgres_major(facts):
    """The image can read the data that is there."""
    found = facts.capacity["deployed"].get("postgres_major")
    image = facts.services["postgres"].get("image")
    wanted = image_major(image) if image else 0
    if found and wanted and str(wanted) != str(found):
        yield Problem(
            f"The data on the host is of PostgreSQL {found}; postgres_image is {image}, which cannot read it.",
            INVENTORY,
            f"postgres_image: an image of PostgreSQL {found}" + (
                "; or have it made one of the new major by playbooks/upgrade_postgres.yml"
                if int(str(found).partition(".")[0]) < wanted else ""))


def check_no_change_is_at_work(facts):
    """Nothing that changes the major of the data is at work there, or was and left it half done."""
    begun = facts.capacity["deployed"].get("postgres_change")
    if begun:
        yield Problem(
            f"A change of PostgreSQL's major was begun at {begun} and has not ended.",
            f"{facts.project.data_dir}/postgres on this host",
            "playbooks/upgrade_postgres.yml again with the same words, or with -e trenova_upgrade_back=true")


def check_data_is_there(facts):
    """Where PostgreSQL was deployed, its data is still there."""
    deployed = facts.capacity["deployed"]
    was_here = (deployed["services"].get("postgres") or {}).get("enabled")
    places = (deployed.get("places") or {}).get("postgres") or {}
    if any(place["before"] != place["now"] for place in places.values()):
        return  # told by the check of places
    if was_here and not deployed.get("postgres_major"):
        yield Problem(
            "PostgreSQL was deployed here, and its data is gone.", f"{facts.project.data_dir}/postgres on this host",
            f"mount the disk, or restore a backup; to begin anew: rm {facts.project.directory}/.state/postgres.json")


VARIABLES = ()
CHECKS = (check_postgres_major, check_no_change_is_at_work, check_data_is_there)
