"""What goes out: webhooks and mail, from a list in the database, at least once; and never to where it must not."""

from limen.deliver.mail import Mailer
from limen.deliver.sender import Sender, send_due

__all__ = ["Mailer", "Sender", "send_due"]
