"""What holds for every test of the project."""

from __future__ import annotations

import hypothesis

# A deadline for each example fails on a busy machine for no fault of the code; the timeout of the whole test stays.
hypothesis.settings.register_profile("limen", deadline=None)
hypothesis.settings.load_profile("limen")
