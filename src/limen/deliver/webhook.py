"""One attempt at a webhook: the body is written, signed in the endpoint's dialect, and sent as it was signed."""

from __future__ import annotations

from limen.core.delivering import GONE, OK, Job, Outcome
from limen.core.webhooks import STANDARD, Attempt, Dialect, headers, payload
from limen.deliver.dial import Dialler, Refused

_HURRIED = (429, 502, 503, 504)
"""What is answered by who has too much to do, and is believed about when to come again."""


def deliver(job: Job, dialect: Dialect | None, dialler: Dialler, now: float) -> Outcome:
    """What the attempt came to: any 2xx is ``ok``, any other answer ``http``; a redirect is no delivery."""
    message = f"msg_{job.delivery}"
    attempt = Attempt(message, job.event, job.channel, int(now), int(job.first_at), job.number)
    body = payload(message, job.event, job.at, job.payload)
    try:
        answer = dialler.post(job.address, headers(dialect or STANDARD, job.secrets, attempt, body), body)
    except Refused as refused:
        return Outcome(job.delivery, job.number, now, refused.result)
    if 200 <= answer.status < 300:
        return Outcome(job.delivery, job.number, now, OK, answer.status)
    asked = answer.retry_after_s if answer.status in _HURRIED else 0.0
    return Outcome(
        job.delivery, job.number, now, "http", answer.status, retry_after_s=asked, final=answer.status == GONE
    )
