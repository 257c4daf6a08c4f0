"""Every public error: its code, status and title. The gate's own have a page each in the documentation.

A refusal of the gate is a value (``Verdict``); a problem of everything else is a ``ProblemError``. Both are written to
the wire as RFC 9457 problem details, or as the profile says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of error. *detail* is what is said of it when nothing more is known."""

    code: str
    status: int
    title: str
    detail: str


def _catalogue(*rows: tuple[str, int, str, str]) -> dict[str, Problem]:
    return {row[0]: Problem(*row) for row in rows}


VERDICTS = _catalogue(
    ("credential_missing", 401, "Credential missing", "The request carries no API key."),
    ("credential_conflict", 400, "More than one credential", "Send exactly one API key, in one place."),
    ("credential_malformed", 401, "Credential malformed", "The credential does not have the form of an API key."),
    ("unavailable", 503, "Temporarily unavailable", "The request could not be checked now. Try again."),
    ("credential_invalid", 401, "Credential invalid", "The API key is not known."),
    ("key_revoked", 401, "Key revoked", "The API key has been revoked."),
    ("key_expired", 401, "Key expired", "The API key has expired."),
    ("key_inactive", 401, "Key inactive", "The API key is deactivated."),
    ("owner_suspended", 403, "Owner suspended", "API access of the key's owner is suspended."),
    ("owner_not_allowed", 403, "Owner not allowed", "The key's owner is not admitted to this API yet."),
    ("environment_mismatch", 403, "Wrong environment", "The API key belongs to another environment."),
    ("origin_not_allowed", 403, "Origin not allowed", "The API key may not be used from this web origin."),
    ("address_not_allowed", 403, "Address not allowed", "The API key may not be used from this address."),
    ("operation_unknown", 404, "Operation unknown", "There is no such operation."),
    ("version_missing", 400, "Version missing", "The request names no API version."),
    ("version_malformed", 400, "Version malformed", "The API version is not of the right form."),
    ("version_unknown", 400, "Version unknown", "There is no such API version."),
    ("version_sunset", 410, "Version sunset", "The API version has been removed."),
    ("version_brownout", 410, "Version brownout", "The API version does not work now, as announced."),
    ("writes_disabled", 403, "Writes disabled", "The API is read-only at the moment."),
    ("access_blocked", 403, "Access blocked", "Access is blocked at the moment."),
    ("scope_missing", 403, "Scope missing", "The API key lacks a scope that the operation needs."),
    ("limit_exceeded", 429, "Limit exceeded", "The limit is used up."),
)
"""The refusals of the gate, by the slug of their code."""

PROBLEMS = VERDICTS | _catalogue(
    (
        "https_required",
        403,
        "HTTPS required",
        "Plain HTTP is refused. The key that was sent over it is to be replaced.",
    ),
    ("request_malformed", 400, "Request malformed", "The request is not of the form that is documented."),
    ("request_too_large", 413, "Request too large", "The request is larger than what is read."),
    (
        "attempts_exceeded",
        429,
        "Too many failed attempts",
        "Too many requests with wrong credentials came from this address. Try again later, with one key that is right.",
    ),
    ("signature_wrong", 403, "Signature wrong", "The body was not signed as it must be with a key that is known."),
    ("report_replayed", 409, "Report replayed", "This report came before, and has been handled."),
    ("peer_not_allowed", 403, "Peer not allowed", "This door answers only those that it was told of."),
    ("not_found", 404, "Not found", "There is no such thing here."),
    ("method_not_allowed", 405, "Method not allowed", "The address does not answer this method."),
    ("api_unknown", 404, "API unknown", "There is no such API, or this process does not decide for it."),
    ("api_exists", 409, "API exists", "There is an API of this name already."),
    ("owner_unknown", 404, "Owner unknown", "There is no such owner."),
    ("owner_exists", 409, "Owner exists", "There is an owner with this id already."),
    ("owner_type_wrong", 422, "Wrong type of owner", "This API's keys belong to owners of another type."),
    ("owner_erased", 409, "Owner erased", "The owner has been erased; that is final."),
    ("role_too_low", 403, "Role too low", "Your role does not come with the right to do this."),
    ("member_unknown", 404, "Member unknown", "The organisation has no such member."),
    ("member_exists", 409, "Member exists", "The user is a member of the organisation already."),
    ("last_owner", 409, "Last owner", "An organisation that has members keeps one who is its owner."),
    ("invitation_unknown", 404, "Invitation unknown", "There is no such invitation, or it has ended."),
    ("too_many_open", 409, "Too many open", "There are as many of these open as there may be. End some first."),
    ("approval_required", 403, "Approval required", "Keys of this API are granted by its staff: ask for one."),
    ("request_unknown", 404, "Request unknown", "There is no such request for a key."),
    ("request_open", 409, "Request open", "Staff have not decided on this request yet."),
    ("request_settled", 409, "Request settled", "The request has been decided, withdrawn or revealed."),
    ("request_lapsed", 409, "Request lapsed", "The key was granted, and not revealed in time: ask again."),
    ("reason_wrong", 422, "Reason wrong", "A reason is missing, or longer than what is kept."),
    ("plan_unknown", 422, "Plan unknown", "The API's profile has no such plan."),
    ("key_unknown", 404, "Key unknown", "There is no such key."),
    ("key_ended", 409, "Key ended", "The key has been revoked or has expired; that is final."),
    ("deactivated_by_staff", 403, "Deactivated by staff", "Staff have deactivated this key, and staff reactivate it."),
    ("slot_taken", 409, "Slot taken", "The owner has an active key already, and the profile allows one."),
    ("class_unknown", 422, "Class unknown", "The profile has no such class of keys."),
    ("environment_unknown", 422, "Environment unknown", "The class has no keys in this environment."),
    ("scope_unknown", 422, "Scope unknown", "The profile has no such scope."),
    ("scope_not_grantable", 422, "Scope not grantable", "Keys of this class may not hold this scope."),
    ("expiry_wrong", 422, "Expiry wrong", "The expiry is not a moment that a key may end at."),
    ("origins_wrong", 422, "Origins wrong", "The list of web origins cannot be set on this key."),
    ("addresses_wrong", 422, "Addresses wrong", "The list of address ranges is not valid."),
    ("name_wrong", 422, "Name wrong", "A name has 1 to 100 characters on one line."),
    ("version_exists", 409, "Version exists", "The version is registered already."),
    ("version_not_registered", 404, "Version not registered", "The API has no such version."),
    ("lifecycle_one_way", 409, "One way only", "A version goes from active to deprecated to sunset, and not back."),
    ("brownout_wrong", 422, "Brownout wrong", "A brownout is a time ahead in which a version is deprecated."),
    ("brownout_unknown", 404, "Brownout unknown", "There is no such brownout."),
    ("pin_wrong", 422, "Pin wrong", "The key cannot be pinned to this version."),
    ("measure_wrong", 422, "Measure wrong", "The measure cannot be taken."),
    ("measure_unknown", 404, "Measure unknown", "There is no such measure."),
    ("channel_unknown", 404, "Channel unknown", "There is no such channel."),
    ("channel_wrong", 422, "Channel wrong", "The channel cannot be like this."),
    ("channel_off", 409, "Channel off", "Nothing is sent to this channel: it is unconfirmed, muted or disabled."),
    ("token_wrong", 403, "Token wrong", "This is not the token that was sent."),
    ("delivery_unknown", 404, "Delivery unknown", "There is no such delivery."),
    ("message_unknown", 404, "Message unknown", "There is no such message in this inbox."),
    ("alert_unknown", 404, "Alert unknown", "There is no such alert."),
    ("alert_over", 409, "Alert over", "The alert was resolved."),
    ("alert_rule_wrong", 422, "Alert rule wrong", "The rule cannot be like this."),
    ("notice_wrong", 422, "Notice wrong", "The notice cannot be sent."),
    ("plan_feature_missing", 403, "Not in this plan", "The owner's plan does not come with this."),
    ("lifecycle_dates_wrong", 422, "Dates wrong", "The dates do not make a life cycle."),
    ("profile_wrong", 422, "Profile wrong", "The profile has mistakes."),
    ("profile_conflict", 409, "Profile conflict", "The profile cannot be applied to what is there."),
    ("api_built_in", 409, "Built-in API", "This is done to no API that is Limen's own."),
    ("setting_unknown", 404, "Setting unknown", "There is no such setting."),
    ("setting_not_allowed", 422, "Setting not allowed", "The setting cannot be set to this."),
    ("staff_only", 403, "Staff only", "Only staff may do this, and not on behalf of a member."),
    ("act_for_refused", 403, "Acting refused", "Only keys of staff may act on behalf of a member."),
    ("media_type_unsupported", 415, "Media type unsupported", "Send the body as application/json."),
    (
        "idempotency_key_wrong",
        400,
        "Idempotency-Key wrong",
        "It has 1 to 255 printable ASCII characters, and is sent once.",
    ),
    (
        "idempotency_mismatch",
        422,
        "Idempotency-Key reused",
        "Another write was sent under this Idempotency-Key before.",
    ),
    ("idempotency_in_flight", 409, "Still at it", "A write with this Idempotency-Key is being done. Try again."),
    (
        "precondition_failed",
        412,
        "Precondition failed",
        "It is not any more what If-Match says: somebody has changed it.",
    ),
    ("broken", 500, "Broken", "Limen failed at this, by a fault of its own. Nothing has changed."),
    ("setting_wrong", 500, "Setting wrong", "A setting is not what is allowed."),
    ("pepper_wrong", 500, "Wrong pepper", "The pepper is not the one under which the keys were stored."),
    ("pepper_unknown", 404, "Pepper unknown", "There is no such pepper or secret."),
    ("pepper_needed", 409, "Pepper needed", "Keys need the pepper or the secret, so that it cannot be given up."),
    ("secret_exists", 409, "Secret exists", "There is another secret of this name already."),
    ("secret_wrong", 422, "Secret wrong", "This cannot be a secret."),
    ("import_wrong", 422, "Import wrong", "Entries cannot be brought along as they are."),
    ("on_server", 409, "Database on a server", "This is done to the file of a SQLite database alone."),
    ("usage_gone", 404, "Usage gone", "What was used then is not kept any more."),
    ("format_unavailable", 400, "Format unavailable", "This installation cannot write this format."),
    ("store_down", 503, "Store down", "The database cannot be read or written now."),
    ("store_not_ready", 500, "Store not ready", "The database has not been set up, or is of another release."),
    ("in_use", 409, "In use", "Processes of this installation are running, or it is being replaced."),
    ("file_exists", 409, "File exists", "There is a file of this name already."),
    ("backup_wrong", 422, "Backup wrong", "The file is no backup that can be restored."),
    ("archive_wrong", 422, "Archive wrong", "The file is no archive that can be imported."),
    ("not_empty", 409, "Not empty", "The installation has keys already."),
    ("guard_only", 409, "Guard only", "Only a guard, on one host, can hold a limit on requests under way."),
    ("gate_taken", 409, "Gate taken", "Another process counts for this API alone, and does not answer."),
)
"""Every public error, by its code."""


def problem_body(problem: Problem, detail: str = "", **extra: Any) -> dict[str, Any]:
    """The problem as RFC 9457 has it written, with its ``code`` beside."""
    return {
        "type": f"urn:limen:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.detail,
        **extra,
        "code": problem.code,
    }


class ProblemError(Exception):
    """Something asked for cannot be done, for a reason that the caller may be told."""

    def __init__(self, code: str, detail: str = "", **extra: Any) -> None:
        """*code* is one of ``PROBLEMS``; *detail* says what was found and what is allowed; *extra* goes to the wire."""
        self.problem = PROBLEMS[code]
        self.detail = detail or self.problem.detail
        self.extra = extra
        super().__init__(f"{self.problem.title}: {self.detail}")


class StoreDown(ProblemError):
    """The database cannot be read or written now."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("store_down", detail)
