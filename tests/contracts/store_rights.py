"""What an S3 server was asked to allow, as moto sees it."""

from typing import Any

import pytest
from moto.iam.access_control import S3IAMRequest

# What moto calls some requests → the right that AWS asks for (Service Authorization Reference, Amazon S3).
AWS_NAMES = {"HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket", "HeadObject": "GetObject"}


def rights_asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The rights that moto is asked for from now on, by the names that AWS knows."""
    names: set[str] = set()
    real = S3IAMRequest.__init__

    def renamed(self: S3IAMRequest, *arguments: Any, action: str, **rest: Any) -> None:
        action = AWS_NAMES.get(action, action)
        names.add(f"s3:{action}")
        real(self, *arguments, action=action, **rest)

    monkeypatch.setattr(S3IAMRequest, "__init__", renamed)
    return names
