"""aiohttp's contexts read the system's certificates when they are first used, and not before."""

from __future__ import annotations

import ssl

import pytest

from mrmesos.access.late_certificates import LateContext, certificates_later


def made_later() -> ssl.SSLContext:
    with certificates_later():
        context = ssl.create_default_context()
    assert type(context) is LateContext
    return context


def wrap(context: ssl.SSLContext) -> None:
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="host")


def test_a_late_context_is_as_strict_as_another() -> None:
    late, now = made_later(), ssl.create_default_context()
    for each in ("verify_mode", "check_hostname", "options", "verify_flags", "minimum_version"):
        assert getattr(late, each) == getattr(now, each)


@pytest.mark.parametrize("use", [wrap, ssl.SSLContext.get_ciphers])
def test_certificates_are_read_by_the_first_connection(use) -> None:  # type: ignore[no-untyped-def]
    context, now = made_later(), ssl.create_default_context()
    use(context)
    assert context.cert_store_stats() == now.cert_store_stats()
    assert type(context) is ssl.SSLContext
    assert context.get_ca_certs() == now.get_ca_certs()
    wrap(context)


def test_contexts_that_are_made_elsewhere_read_at_once() -> None:
    class Own(ssl.SSLContext):
        pass

    made_later()
    assert type(ssl.create_default_context()) is ssl.SSLContext
    with certificates_later():
        own = Own(ssl.PROTOCOL_TLS_CLIENT)
        own.set_default_verify_paths()
    assert type(own) is Own
