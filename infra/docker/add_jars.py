"""Download JARs from a Maven repository into the installed pyspark; Dockerfile.spark runs it while it builds the image.

Usage: add_jars.py ADDRESS GROUP:ARTIFACT:VERSION ...

The script compares each JAR with the SHA-1 file beside it in the repository. That detects a broken download, but not a
malicious mirror.
"""

from __future__ import annotations

import hashlib
import sys
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Download all JARs, then write them into pyspark's folder; nothing is written if one download fails.

    Args:
        arguments: The repository's address, then the coordinates (GROUP:ARTIFACT:VERSION).

    Raises:
        SystemExit: Any expected error, with a message of one line.
    """
    address = arguments[0].rstrip("/") if arguments else ""
    if not address:
        sys.exit("MAVEN is not set: name the Maven repository to download from with --build-arg MAVEN=ADDRESS")
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
    """Return the folder in which the installed pyspark keeps its JARs; end the script if pyspark is not installed."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        sys.exit("pyspark is not installed")
    return Path(spec.origin).parent / "jars"


def refuse_other_hadoop(jars: Path, coordinate: str, version: str) -> None:
    """End the build unless pyspark's Hadoop client has the given version, because hadoop-aws works with no other one.

    Args:
        jars: The folder of pyspark's JARs.
        coordinate: The JAR that is to be added, for the message.
        version: Version of that JAR.
    """
    installed = sorted(jar.name for jar in jars.glob("hadoop-client-api-*.jar"))
    if installed != [f"hadoop-client-api-{version}.jar"]:
        client = ", ".join(installed) or "no Hadoop client"
        sys.exit(f"{coordinate}: pyspark has {client}; use the hadoop-aws of that version")


def fetch(url: str) -> bytes:
    """Download a JAR and its SHA-1 checksum; return the JAR's bytes, or end the script if they do not match."""
    try:
        with urllib.request.urlopen(url) as answer:
            data: bytes = answer.read()
        with urllib.request.urlopen(f"{url}.sha1") as answer:
            expected = answer.read().decode("ascii").split()[0]
    except (urllib.error.URLError, ValueError, IndexError) as error:
        sys.exit(f"{url}: {error}")
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != expected:
        sys.exit(f"{url}: the download does not match its checksum")
    return data


if __name__ == "__main__":
    main(sys.argv[1:])
