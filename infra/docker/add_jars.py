"""Puts JARs from a Maven repository among pyspark's: add_jars.py ADDRESS GROUP:ARTIFACT:VERSION ... (Dockerfile.spark).

Each is held against the SHA-1 that lies beside it: that finds a broken download, not a mirror that lies.
"""

from __future__ import annotations

import hashlib
import sys
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Download all, then put them there. SystemExit, in one line, for anything that is wrong."""
    address = arguments[0].rstrip("/") if arguments else ""
    if not address:
        sys.exit("MAVEN is not set: --build-arg MAVEN=ADDRESS names the Maven repository that the JARs come from")
    jars = pyspark_jars()
    fetched = {}
    for coordinate in arguments[1:]:
        group, artifact, version = coordinate.split(":")
        if group == "org.apache.hadoop":
            refuse_other_hadoop(jars, coordinate, version)
        name = f"{artifact}-{version}.jar"
        fetched[name] = fetch(f"{address}/{group.replace('.', '/')}/{artifact}/{version}/{name}")
    for name, data in fetched.items():
        (jars / name).write_bytes(data)
        (jars / name).chmod(0o644)
        print(f"{name}: {len(data):,} bytes")


def pyspark_jars() -> Path:
    """Where the installed pyspark keeps its JARs."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        sys.exit("pyspark is not installed")
    return Path(spec.origin).parent / "jars"


def refuse_other_hadoop(jars: Path, coordinate: str, version: str) -> None:
    """hadoop-aws works with the Hadoop client of its own version only."""
    there = sorted(jar.name for jar in jars.glob("hadoop-client-api-*.jar"))
    if there != [f"hadoop-client-api-{version}.jar"]:
        sys.exit(f"{coordinate}: pyspark has {', '.join(there) or 'no Hadoop client'}; take hadoop-aws of that version")


def fetch(url: str) -> bytes:
    """The bytes of a JAR, as its checksum has them."""
    try:
        with urllib.request.urlopen(url) as answer:
            data: bytes = answer.read()
        with urllib.request.urlopen(f"{url}.sha1") as answer:
            expected = answer.read().decode("ascii").split()[0]
    except (urllib.error.URLError, ValueError, IndexError) as error:
        sys.exit(f"{url}: {error}")
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != expected:
        sys.exit(f"{url}: what came is not what its checksum says")
    return data


if __name__ == "__main__":
    main(sys.argv[1:])
