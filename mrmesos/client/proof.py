"""The client's side of authentication: client and server prove to each other that they know the
token.

The token is never sent. Each new connection starts with a greeting: a signed request that has no
effect. The server's signed answer proves that it knows the token, and contains its life: a random
id for each start of a JobTracker. Later requests are signed for that life only. So an impostor on
the JobTracker's port gets only a greeting, and cannot record requests to replay them later.
"""

from __future__ import annotations

import hashlib
import http.client

import msgspec

from mrmesos.access.signing import AUTHORIZATION, CLIENT, REPLY, TIME, Signer, client_key
from mrmesos.wire.login import GREETING_PATH, Greeting

ANSWER_BYTES_MAX = 1 << 20


class Unproven(Exception):
    """The server did not prove that it knows the token. `status` and `said` are its answer."""

    def __init__(self, status: int, said: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.said = status, said


class Proof:
    """Signs the requests of one client and checks the answers, for one connection at a time."""

    def __init__(self, token: str) -> None:
        self._signer = Signer(CLIENT, client_key(token))

    def greet(self, connection: http.client.HTTPConnection) -> None:
        """Send the first request of a connection. Raises Unproven, OSError, HTTPException.

        If the clocks differ, it is sent twice: the first answer contains the JobTracker's time.
        """
        self._signer.who = CLIENT
        for again in (False, True):
            signed = self._signer.sign("GET", GREETING_PATH)
            connection.request("GET", GREETING_PATH, headers={AUTHORIZATION: signed})
            answer = connection.getresponse()
            said = answer.read(ANSWER_BYTES_MAX)
            told = answer.getheader(TIME, "")
            if again or answer.status != 401 or not self._signer.learn_time(signed, told):
                break
        self.check(signed, answer, said)
        if answer.status != 200:
            raise Unproven(answer.status, said)
        try:
            life = msgspec.json.decode(said, type=Greeting).life
        except msgspec.DecodeError:
            raise Unproven(answer.status, said) from None
        self._signer.who = f"{CLIENT}.{life}"

    def sign(self, method: str, path: str, sha256: str) -> str:
        """Return the Authorization header of a request whose body has this SHA-256."""
        return self._signer.sign_digest(method, path, sha256)

    def check(self, signed: str, answer: http.client.HTTPResponse, said: bytes) -> None:
        """Raise Unproven unless our JobTracker signed this answer to the request `signed`."""
        digest = hashlib.sha256(said).hexdigest()
        if not self._signer.proves(signed, answer.getheader(REPLY, ""), digest):
            raise Unproven(answer.status, said)
