"""Types of the rows of the journal that tell how long copies are kept. Loaded by every sweep: nothing else stands here.

Source: docs/formats.md (Journal).
"""

PLANNED, BEGUN, DISPOSED = "disposal_planned", "disposal_begun", "disposed"
STATED = ("keep_until", "held", "hold_lifted", DISPOSED)
"""What tells what keeps bags now, beside the ends of runs."""
