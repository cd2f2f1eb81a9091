"""`python -m mrmesos.hadoop hadoop|hdfs|mapred …`: the commands in HADOOP_HOME run this."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import mrmesos
from mrmesos.hadoop.paths import known_settings, places_of
from mrmesos.hadoop.saying import HADOOP_VERSION, say

EXIT_USAGE = 255
_USAGE = """Usage: hadoop [--config DIR] COMMAND
  version       the version whose command line this is
  fs | dfs      files: hadoop fs -help
  jar           hadoop jar hadoop-streaming.jar -input … -output … -mapper … -reducer …
  streaming     mapred streaming -input …: the same
  job           jobs of a JobTracker: -list, -status, -kill, -counter, -history
  getconf       -confKey NAME: a setting of core-site.xml, hdfs-site.xml or -D
mrmesos stands in for Hadoop here; it runs no Java."""


def main(words: Sequence[str]) -> int:
    """Run one command line, without the name of the command. Returns the exit code."""
    rest = list(words)
    if rest[:1] == ["--config"] and len(rest) > 1:
        os.environ["HADOOP_CONF_DIR"] = rest[1]
        rest = rest[2:]
    if not rest:
        say(_USAGE)
        return EXIT_USAGE
    verb, *rest = rest
    properties, rest = _generic(rest)
    try:
        known = known_settings(properties)
        places = places_of(known)
    except (OSError, ValueError) as problem:
        say(f"{verb}: {problem}")
        return EXIT_USAGE
    match verb:
        case "version":
            sys.stdout.write(f"Hadoop {HADOOP_VERSION}\nmrmesos {mrmesos.__version__}\n")
            return 0
        case "fs" | "dfs":
            from mrmesos.hadoop.shell import run_shell

            return run_shell(rest, places)
        case "jar":
            from mrmesos.hadoop.jar import run_jar

            return run_jar(rest, places, properties)
        case "streaming":
            from mrmesos.hadoop.jar import run_streaming_tool

            return run_streaming_tool(rest, places, properties)
        case "job":
            from mrmesos.hadoop.jobs import run_job

            return run_job(rest)
        case "getconf":
            return _get_conf(rest, known)
        case "classpath" | "envvars":
            return 0
    verbs = "version, fs, jar, streaming, job and getconf"
    say(f"{verb}: mrmesos stands in only for Hadoop's {verbs}\n{_USAGE}")
    return EXIT_USAGE


def _get_conf(words: Sequence[str], known: Mapping[str, str]) -> int:
    """`hdfs getconf -confKey NAME`: prints the value of a setting."""
    if len(words) != 2 or words[0] != "-confKey":
        say("Usage: hdfs getconf -confKey <key>")
        return EXIT_USAGE
    value = known.get(words[1])
    if value is None:
        say(f"Configuration key {words[1]} is missing.")
        return EXIT_USAGE
    sys.stdout.write(f"{value}\n")
    return 0


def _generic(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Hadoop's generic options at the front: `-fs URI`, `-D name=value`."""
    properties: dict[str, str] = {}
    rest = list(words)
    while len(rest) > 1:
        if rest[0] == "-fs":
            properties["fs.defaultFS"] = rest[1]
        elif rest[0] == "-D":
            name, _, value = rest[1].partition("=")
            properties[name] = value
        else:
            break
        rest = rest[2:]
    return properties, rest


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
