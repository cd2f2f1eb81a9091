"""`make dist`: everything that a release has, in dist/. The same commit gives the same bytes.

Out: wheels of mrmesos and http-parser, a wheelhouse with all that they need, a self-contained
mrmesos.pex, an SBOM in CycloneDX's format, and SHA256SUMS. It runs in an environment with the
dependency groups `dev` and `release`. The network is needed for the wheels of others.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
WHEELS, HOUSE = DIST / "wheels", DIST / "wheelhouse"


def run(*command: str | Path, **environ: str) -> None:
    """Run a command, which must succeed."""
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT, env=os.environ | environ)


def main() -> None:
    """Build it all."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or subprocess.check_output(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True
    )
    os.environ["SOURCE_DATE_EPOCH"] = epoch.strip()
    shutil.rmtree(DIST, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "wheel", "--no-cache-dir")
    pinned = ("--constraint", "constraints.txt")
    build = ("--build-constraint", "constraints.txt")
    run(*pip, "--no-deps", *build, "--wheel-dir", WHEELS, "./packages/http-parser", ".")
    run(*pip, *pinned, "--find-links", WHEELS, "--wheel-dir", HOUSE, *WHEELS.glob("*.whl"))
    write_archive()
    write_sbom()
    files = sorted(path for path in DIST.rglob("*") if path.is_file())
    sums = "".join(f"{sha256(path)}  {path.relative_to(DIST)}\n" for path in files)
    (DIST / "SHA256SUMS").write_text(sums)


def write_archive() -> None:
    """mrmesos.pex: unpacks itself into a virtual environment in the user's cache at its first run,
    because processes of ours start others with the same Python.
    """
    run(
        *(sys.executable, "-m", "pex", "mrmesos", "--no-index", "--find-links", HOUSE),
        *("--script", "mrmesos", "--venv", "prepend", "--output-file", DIST / "mrmesos.pex"),
        *("--python-shebang", "/usr/bin/env python3"),
    )


def write_sbom() -> None:
    """The packages of the wheelhouse with their hashes, as CycloneDX JSON."""
    lines = []
    for wheel in sorted(HOUSE.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{sha256(wheel)}\n")
    listed = DIST / "requirements.txt"
    listed.write_text("".join(lines))
    run(
        *(Path(sys.executable).with_name("cyclonedx-py"), "requirements", listed),
        *("--output-reproducible", "--pyproject", "pyproject.toml"),
        *("--output-format", "JSON", "--output-file", DIST / "mrmesos.cdx.json"),
    )


def sha256(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
