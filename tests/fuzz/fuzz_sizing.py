#!/usr/bin/env python3
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans a million random hosts and holds every plan against what must hold for any.

    fuzz_sizing.py [--plans N] [--seed S] [--workers N]

A failure prints the host and the wish, and the seed that repeats them.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests/unit/sizing")]

import invariants  # noqa: E402 - found by the path above

BATCH = 5000


def batch(seed: int) -> dict | None:
    """Plan one batch of hosts; returns what failed, None when nothing did."""
    chance = random.Random(seed)
    for _number in range(BATCH):
        capacity, intent = invariants.random_capacity(chance), invariants.random_intent(chance)
        try:
            result = invariants.check(capacity, intent)
            if "overrides" not in intent and chance.random() < 0.1:
                invariants.check_more(capacity, intent, chance)
                invariants.check_accepted(result, capacity, intent)
            if chance.random() < 0.02:
                invariants.check_bought(intent)
        except Exception as error:  # whatever it is, the host that causes it is wanted
            return {"error": f"{type(error).__name__}: {error}", "seed": seed, "capacity": capacity, "intent": intent}
    return None


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=1_000_000, help="hosts to plan")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="first seed; one for each batch follows")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    arguments = parser.parse_args()
    batches = -(-arguments.plans // BATCH)
    started = time.monotonic()
    with ProcessPoolExecutor(arguments.workers) as pool:
        running = [pool.submit(batch, arguments.seed + number) for number in range(batches)]
        for done, future in enumerate(as_completed(running), start=1):
            if failure := future.result():
                pool.shutdown(wait=False, cancel_futures=True)
                print(json.dumps(failure, indent=2))
                return 1
            if done % max(1, batches // 20) == 0:
                print(f"{time.monotonic() - started:7.1f} s  {done * BATCH:>9} hosts planned", flush=True)
    print(f"{batches * BATCH} hosts from seed {arguments.seed}: every plan holds, "
          f"{time.monotonic() - started:.0f} s with {arguments.workers} processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
