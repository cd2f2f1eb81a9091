"""A client's side of proving: who we are, and that what answers is our JobTracker.

The token never travels. With each new connection comes a greeting: a signed question that is good
for nothing else. What answers it with proof knows the token, too, and names its life (another one
for each start of a JobTracker). Requests are signed for that life only. So who listens where the
JobTracker used to gets a greeting and no request, and can keep none for the next JobTracker.
"""

from __future__ import annotations

import hashlib
import http.client

import msgspec

from mrmesos.access.signing import AUTHORIZATION, CLIENT, REPLY, TIME, Signer, client_key
from mrmesos.wire.greeting import GREETING_PATH, Greeting

ANSWER_BYTES_MAX = 1 << 20


class Unproven(Exception):
    """What answers does not know the token; `status` and `said` are of its answer."""

    def __init__(self, status: int, said: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.said = status, said


class Proof:
    """Signs the requests of one client, and checks the answers; for one connection at a time."""

    def __init__(self, token: str) -> None:
        self._signer = Signer(CLIENT, client_key(token))

    def greet(self, connection: http.client.HTTPConnection) -> None:
        """Ask who is there, first of all on a connection. Raises Unproven, OSError, HTTPException.

        Twice, where clocks differ: the first answer tells the JobTracker's time.
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
        """The Authorization of a request whose body has this SHA-256."""
        return self._signer.sign_digest(method, path, sha256)

    def check(self, signed: str, answer: http.client.HTTPResponse, said: bytes) -> None:
        """Raise Unproven unless this answer to what was so signed comes from our JobTracker."""
        digest = hashlib.sha256(said).hexdigest()
        if not self._signer.proves(signed, answer.getheader(REPLY, ""), digest):
            raise Unproven(answer.status, said)
