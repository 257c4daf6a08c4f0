"""The versions of the API that differ in what they answer. Which one a request is for, Limen has decided.

Which versions there are, and how long the older ones are served, stands in the profile. A version that is not named
here is answered like the newest.
"""

from limen.guard.fastapi import Caller

FLAT_COUNTS = "2025-01-15"
"""Until this version an account shows its fan counts beside everything else; after it, they stand in ``fanCounts``."""


def has_flat_counts(caller: Caller) -> bool:
    """Whether the request that *caller* made is for a version with flat counts."""
    return caller.version <= FLAT_COUNTS  # versions are dates, which sort as they follow one another
