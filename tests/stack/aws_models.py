"""What boto3 knows of AWS, read once for all clients of a process: most of what a client costs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import botocore.session
import pytest
from botocore.loaders import create_loader


@contextmanager
def models_read_once() -> Iterator[None]:
    """Clients are made as they are elsewhere, each of its own session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(create_loader))
        yield
