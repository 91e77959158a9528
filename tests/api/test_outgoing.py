"""Calls by TLS to who shows a certificate of a known authority; of others test_webhooks.py tells."""

from pathlib import Path

import pytest

from api.outgoing import post
from tests import certificates
from tests.api.receiver import receiving


def test_a_receiver_of_a_known_authority_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates.make(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "clr.pem"))

    with receiving(tmp_path) as receiver:
        answer = post(receiver.url, b"told", {}, private=True)
        _, body = receiver.next()

    assert (answer.status, body) == (204, "told")
