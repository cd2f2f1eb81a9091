"""Hadoop's own configuration files, found through HADOOP_CONF_DIR or HADOOP_HOME."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path


def site_configuration() -> dict[str, str]:
    """The properties of core-site.xml and hdfs-site.xml; empty if the files do not exist.

    Raises OSError or ValueError if a file exists but cannot be read.
    """
    directory = os.environ.get("HADOOP_CONF_DIR")
    if not directory and (home := os.environ.get("HADOOP_HOME")):
        directory = f"{home}/etc/hadoop"
    values: dict[str, str] = {}
    for name in ("core-site.xml", "hdfs-site.xml") if directory else ():
        path = Path(directory or "") / name
        if path.exists():
            found = read_properties(path)
            values |= {key: value.strip() for key, value in found.items()}
    return values


def read_properties(path: Path) -> dict[str, str]:
    """The properties of a file of Hadoop's. Values keep their spaces: one may be a separator.

    Raises OSError, ValueError.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    values = {}
    for entry in root.iter("property"):
        name, value = entry.findtext("name"), entry.findtext("value")
        if name and value is not None:
            values[name.strip()] = value
    return values
