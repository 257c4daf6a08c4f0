"""The triggers: they refuse what no verb of ours does, and hold against a hand at the database too (ADR 0009).

Alembic's batch mode drops triggers without a word, so a test compares the schema after every upgrade with a fresh one.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection


def _refuse(name: str, event: str, *, when: str, because: str, moment: str = "before") -> str:
    return (
        f"create trigger {name} {moment} {event} for each row when {when} begin select raise(abort, '{because}'); end"
    )


_ONE_ACTIVE = "exists (select 1 from apis where api = new.api and one_active)"

# `or replace` makes room by deleting rows without asking the trigger that guards them. So whatever a statement could
# collide with is looked at before it, the rowid that SQLite gives to every row included.
SQLITE_TRIGGERS = (
    _refuse(
        "keys_fixed",
        "update on keys",
        when="""new.key is not old.key
            or new.rowid is not old.rowid
            or new.locator is not old.locator
            or new.api is not old.api
            or new.owner is not old.owner
            or new.class is not old.class
            or new.environment is not old.environment
            or new.scopes is not old.scopes
            or new.predecessor is not old.predecessor
            or new.lineage is not old.lineage
            or new.created_at is not old.created_at
            or new.created_by is not old.created_by""",
        because="a key keeps its scopes, owner, class and environment: issue another (C4)",
    ),
    _refuse(
        "keys_final",
        "update on keys",
        when="""(old.state = 'revoked' and new.state is not old.state)
            or (old.state = 'expired' and new.state not in ('expired', 'revoked'))""",
        because="a key does not come back from revoked or expired (C15)",
    ),
    _refuse(
        "keys_expiry",
        "update on keys",
        when="old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at)",
        because="a key''s expiry is only ever brought forward",
    ),
    _refuse(
        "keys_slot",
        "update on keys",
        when="old.slot is not null and new.slot is not old.slot and new.state is old.state",
        because="a key leaves its slot only with its state (C1)",
    ),
    _refuse(
        "keys_slot_taken",
        "update on keys",
        when="new.slot is not null and exists (select 1 from keys where slot = new.slot and key is not old.key)",
        because="the slot is taken (C1)",
    ),
    _refuse(
        "keys_slot_needed",
        "update on keys",
        when=f"new.state = 'active' and old.state is not 'active' and new.slot is null and {_ONE_ACTIVE}",
        because="a key of this API is active in its owner''s slot (C1)",
    ),
    _refuse(
        "keys_new",
        "insert on keys",
        when="""exists (
                select 1 from keys
                where key = new.key or rowid = new.rowid or locator = new.locator or slot = new.slot
            )""",
        because="a key is not replaced in its row, nor in its slot (C1, C4)",
    ),
    _refuse(
        "keys_new_slot",
        "insert on keys",
        when=f"new.state = 'active' and new.slot is null and {_ONE_ACTIVE}",
        because="a key of this API is active in its owner''s slot (C1)",
    ),
    _refuse("keys_stay", "delete on keys", when="true", because="a key''s row stays for the audit (C15)"),
    _refuse("audit_fixed", "update on audit", when="true", because="the audit is only ever appended to"),
    _refuse("audit_stay", "delete on audit", when="true", because="the audit is only ever appended to"),
    _refuse(
        "audit_new",
        "insert on audit",
        when="exists (select 1 from audit where id = new.id)",
        because="the audit is only ever appended to",
    ),
    _refuse(
        "audit_last",
        "insert on audit",
        moment="after",  # before it, a row has no id of its own yet
        when="new.id < 1 or new.id < (select max(id) from audit)",
        because="the audit is only ever appended to",
    ),
    _refuse("audit_links_fixed", "update on audit_links", when="true", because="the audit is only ever appended to"),
    _refuse("audit_links_stay", "delete on audit_links", when="true", because="the audit is only ever appended to"),
    _refuse(
        "audit_links_new",
        "insert on audit_links",
        when="""new.position is not 1 + (select coalesce(max(position), 0) from audit_links)
            or new.id <= (select coalesce(max(id), 0) from audit_links)
            or typeof(new.digest) is not 'blob'""",
        because="the audit is only ever appended to",
    ),
    _refuse(
        "audit_personal_fixed",
        "update on audit_personal",
        when="true",
        because="what is personal in the audit is erased, never changed",
    ),
    _refuse(
        "audit_personal_new",
        "insert on audit_personal",
        when="exists (select 1 from audit_personal where id = new.id and field = new.field)",
        because="what is personal in the audit is erased, never changed",
    ),
)


_FIXED = (
    "key",
    "locator",
    "api",
    "owner",
    "class",
    "environment",
    "predecessor",
    "lineage",
    "created_at",
    "created_by",
)
_APPENDED = "the audit is only ever appended to"

POSTGRESQL_RULES = (  # name, event, condition, reason. No statement of PostgreSQL's replaces a row unseen.
    (
        "keys_fixed",
        "update on keys",
        " or ".join(
            (
                *(f"new.{name} is distinct from old.{name}" for name in _FIXED),
                "new.scopes::text is distinct from old.scopes::text",
            )
        ),
        "a key keeps its scopes, owner, class and environment: issue another (C4)",
    ),
    (
        "keys_final",
        "update on keys",
        """(old.state = 'revoked' and new.state is distinct from old.state)
            or (old.state = 'expired' and new.state not in ('expired', 'revoked'))""",
        "a key does not come back from revoked or expired (C15)",
    ),
    (
        "keys_expiry",
        "update on keys",
        "old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at)",
        "a key''s expiry is only ever brought forward",
    ),
    (
        "keys_slot",
        "update on keys",
        "old.slot is not null and new.slot is distinct from old.slot and new.state is not distinct from old.state",
        "a key leaves its slot only with its state (C1)",
    ),
    (
        "keys_slot_needed",
        "insert or update on keys",
        """new.state = 'active' and new.slot is null and (tg_op = 'INSERT' or old.state is distinct from 'active')
            and exists (select 1 from apis where api = new.api and one_active)""",
        "a key of this API is active in its owner''s slot (C1)",
    ),
    ("keys_stay", "delete on keys", "true", "a key''s row stays for the audit (C15)"),
    ("audit_fixed", "update on audit", "true", _APPENDED),
    ("audit_stay", "delete on audit", "true", _APPENDED),
    ("audit_last", "insert on audit", "new.id < 1 or new.id <= (select coalesce(max(id), 0) from audit)", _APPENDED),
    ("audit_links_fixed", "update on audit_links", "true", _APPENDED),
    ("audit_links_stay", "delete on audit_links", "true", _APPENDED),
    (
        "audit_links_new",
        "insert on audit_links",
        """new.position is distinct from 1 + (select coalesce(max(position), 0) from audit_links)
            or new.id <= (select coalesce(max(id), 0) from audit_links)""",
        _APPENDED,
    ),
    (
        "audit_personal_fixed",
        "update on audit_personal",
        "true",
        "what is personal in the audit is erased, never changed",
    ),
)

POSTGRESQL_KEPT = ("keys", "audit", "audit_links")
"""Tables that no statement empties as a whole."""


def postgresql_triggers() -> Iterator[str]:
    """The statements that lay PostgreSQL's triggers: a function each."""
    for name, event, when, because in POSTGRESQL_RULES:
        yield f"""create function limen_{name}() returns trigger language plpgsql as $$ begin
            if {when} then raise exception '{because}' using errcode = 'check_violation'; end if;
            return coalesce(new, old);
        end $$"""
        yield f"create trigger {name} before {event} for each row execute function limen_{name}()"
    yield f"""create function limen_kept() returns trigger language plpgsql as $$ begin
        raise exception '{_APPENDED}' using errcode = 'check_violation';
    end $$"""
    for name in POSTGRESQL_KEPT:
        yield f"create trigger {name}_kept before truncate on {name} for each statement execute function limen_kept()"


def create_triggers(connection: Connection) -> None:
    """Lay the triggers. Part of every migration that touches their tables, and of a fresh schema."""
    for statement in SQLITE_TRIGGERS if connection.dialect.name == "sqlite" else postgresql_triggers():
        connection.exec_driver_sql(statement)
