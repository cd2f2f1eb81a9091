"""aiohttp's own TLS contexts, in a process that has imported it by `import_aiohttp`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.access.authority import Authority

ASK = """
import asyncio, ssl, sys
from mrmesos.access.late_authorities import import_aiohttp
import_aiohttp()
import aiohttp
from aiohttp import web

assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 1  # no others are affected
assert aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"] == 0

async def ask():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[1:])
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            try:
                async with session.get(f"https://127.0.0.1:{port}/") as answer:
                    print(answer.status)
            except aiohttp.ClientConnectorCertificateError:
                print("refused")
    await runner.cleanup()

asyncio.run(ask())
"""


@pytest.mark.parametrize(("known", "expected"), [("ours", "404"), ("another", "refused")])
def test_the_systems_authorities_are_known_when_they_are_needed(
    tmp_path: Path, known: str, expected: str
) -> None:
    authorities = {name: Authority(tmp_path / name, name) for name in ("ours", "another")}
    certificate, key = authorities["ours"].certify()
    answer = subprocess.run(
        [sys.executable, "-c", ASK, str(certificate), str(key)],
        env=os.environ | {"SSL_CERT_FILE": str(authorities[known].file), "SSL_CERT_DIR": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.stdout.split() == [expected] * 2, answer.stderr
