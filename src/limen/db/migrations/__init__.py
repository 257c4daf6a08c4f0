"""Alembic's revisions. ``limen migrate`` and ``limen init`` run them; ``limen.db.schema`` says how."""
