"""The application that a server runs: ``granian --interface asgi examples.organisation_platform.main:app``."""

import os

from examples.organisation_platform.app import create_app

app = create_app(
    os.environ.get("ORGANISATION_DATABASE_URL", "sqlite:///organisation.db"),
    api=os.environ.get("ORGANISATION_API", "organisation"),
)
