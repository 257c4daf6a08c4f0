"""The application that a server runs: ``granian --interface asgi examples.creator_platform.main:app``."""

import os

from examples.creator_platform.app import create_app

app = create_app(
    os.environ.get("CREATOR_DATABASE_URL", "sqlite:///creator.db"),
    api=os.environ.get("CREATOR_API", "creator"),
)
