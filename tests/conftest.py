"""The set-up that all tests share. Hypothesis measures no time, because machines are busy with
other things. JobTrackers have a token of their own, jobs a history, and commands a configuration.
None of these belongs to the user who runs the tests. Control-C reaches the processes that tests
start.
"""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell starts its background jobs with SIGINT ignored, and all their children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that tests start inherit them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRMESOS_TOKEN_FILE", str(tmp_path_factory.mktemp("access") / "token"))
        key = tmp_path_factory.mktemp("pickles") / "key"
        patch.setenv("MRMESOS_PICKLE_KEY_FILE", str(key))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("MRMESOS_HISTORY_DIR", str(tmp_path_factory.mktemp("history")))
        yield
