"""MIME to messages of a PST: `convert` gives a message for exporters.pst and what of the mail became different.

converted = convert(raw, facts=Facts(is_read=False, received=when))
pst.add_message(inbox, converted.message)
"""

from exporters.mail.compose.errors import MimeError, MimeRefused
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.losses import CODES, Loss
from exporters.mail.compose.mime import Converted, convert

__all__ = ["CODES", "Converted", "Facts", "Loss", "MimeError", "MimeRefused", "convert"]
