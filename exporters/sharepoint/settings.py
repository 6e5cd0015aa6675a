"""What is asked of the copy of a site.

Rules of this file: values only. A setting that has become wider than that of earlier runs owes work again. Source: design §7.
"""

from dataclasses import dataclass, field

from exporters.drive.settings import DriveSettings


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """drive: versions and permissions, of libraries and lists alike. has_certificate: whether the sign-in may use SharePoint
    REST, which alone has the attachments of list items (Q-062)."""

    drive: DriveSettings = field(default_factory=DriveSettings)
    has_certificate: bool = False
