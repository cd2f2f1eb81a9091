"""Reads the file of pools (`pools.file`) once, at the start. The core is pure, so it gets text."""

from __future__ import annotations

from pathlib import Path

from mrmesos import conf as settings
from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.model.pools import parse_pools, pool_share, pools_text


def with_pools_file(conf: Conf) -> Conf:
    """The settings, with the file's pools added to `pools`. Raises ConfError for a bad file."""
    path = conf.get_as(settings.POOLS_FILE)
    if not path:
        return conf
    import tomllib  # most services have no such file

    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        pools = {}
        for name, values in tables.items():
            if not isinstance(values, dict) or set(name) & set(":;,="):
                raise ValueError(f"{name!r}: expected a table for each pool, such as [etl]")
            pools[name] = pool_share(name, values)
        pools.update(parse_pools(conf.get_as(settings.POOLS)))
    except (OSError, ValueError) as problem:  # including invalid TOML and invalid UTF-8
        raise ConfError(f"{settings.POOLS_FILE.name}={path!r}: {problem}") from None
    return conf.merged({settings.POOLS.name: pools_text(pools)})
