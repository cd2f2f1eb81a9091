"""`make dist`: everything that a release has, in dist/. The same commit gives the same bytes.

Out: wheels of mrmesos and http-parser, a wheelhouse with all that they need, a self-contained
mrmesos.pex, an SBOM in CycloneDX's format, and SHA256SUMS. It runs in an environment with the
dependency groups `dev` and `release`. The network is needed for the wheels of others.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
OURS = ("http-parser",)
"""Packages of this repository that no index has."""
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
        name = name.replace("_", "-").lower()
        lines.append(f"{name}=={version} --hash=sha256:{sha256(wheel)}\n")
    listed = DIST / "requirements.txt"
    listed.write_text("".join(lines))
    written = DIST / "mrmesos.cdx.json"
    run(
        *(Path(sys.executable).with_name("cyclonedx-py"), "requirements", listed),
        *("--output-reproducible", "--pyproject", "pyproject.toml"),
        *("--output-format", "JSON", "--output-file", written),
    )
    bom = with_root(json.loads(written.read_text()))
    written.write_text(json.dumps(bom, indent=2, sort_keys=True) + "\n")


def with_root(bom: dict[str, Any]) -> dict[str, Any]:
    """The root is the wheel of mrmesos, with its hash, and depends on all other packages.

    cyclonedx-py lists that wheel a second time, knows no dependencies of the root, and says that
    our own packages come from PyPI.
    """
    root = bom["metadata"]["component"]
    [wheel] = [each for each in bom["components"] if each["name"] == root["name"]]
    others = [each for each in bom["components"] if each is not wheel]
    [reference] = wheel.get("externalReferences", [])
    root["hashes"] = reference["hashes"]
    root["purl"] = wheel["purl"]
    for each in others:
        if each["name"] in OURS:
            [reference] = each.pop("externalReferences")
            each["hashes"] = reference["hashes"]
    needed = sorted(each["bom-ref"] for each in others)
    tree = [{"ref": root["bom-ref"], "dependsOn": needed}, *({"ref": ref} for ref in needed)]
    return bom | {"components": others, "dependencies": tree}


def sha256(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
