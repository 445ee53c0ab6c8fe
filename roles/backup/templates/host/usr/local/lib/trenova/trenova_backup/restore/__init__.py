# Managed by trenova.selfhost.
"""The way back: from a target to the live stores, one journal for all attempts."""
