"""The files of infra/ray, checked against KubeRay's API, Ray's own schema, and our rules for nodes."""

from __future__ import annotations

import copy
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from shopbatch.cli import main as cli
from shopbatch.cluster import submit
from shopbatch.core.privacy import HIDDEN, find_secrets, redact_config
from shopbatch.runs import job
from shopbatch.runs.environment import locked
from tests.infra.kuberay import (
    KINDS,
    Container,
    Pod,
    PodSecurity,
    RayCluster,
    RayClusterSpec,
    RayJob,
    Resources,
    amount,
)

ROOT = Path(__file__).resolve().parents[2]
RAY = ROOT / "infra" / "ray"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
LOCKED = locked(ROOT / "requirements.lock")
CLUSTER, JOB = "raycluster.yaml", "rayjob-score-reviews.yaml"
MANIFESTS = sorted(path.name for path in RAY.glob("ray*.yaml"))
WRITTEN = sorted(
    path for folder in ("docker", "ray", "spark") for path in (ROOT / "infra" / folder).iterdir() if path.is_file()
)
USER = 10001


@cache
def documents(name: str) -> list[dict[str, Any]]:
    """The objects of a manifest."""
    return list(yaml.safe_load_all((RAY / name).read_text("utf-8")))


def ray_object(name: str) -> dict[str, Any]:
    """The cluster or job of a manifest, copied so that values shared by YAML anchors are separate objects."""
    found = next(tree for tree in documents(name) if tree["kind"] in ("RayCluster", "RayJob"))
    return dict(json.loads(json.dumps(found)))


def cluster_of(tree: dict[str, Any]) -> RayClusterSpec:
    """The validated cluster of a RayCluster or RayJob. Raises ValidationError."""
    found = KINDS[tree["kind"]].model_validate(tree)
    if isinstance(found, RayJob):
        return found.spec.rayClusterSpec
    assert isinstance(found, RayCluster)
    return found.spec


def problems(tree: dict[str, Any]) -> list[str]:
    """Everything about a cluster that breaks a rule."""
    spec = cluster_of(tree)
    head, groups = spec.headGroupSpec, {group.groupName: group for group in spec.workerGroupSpecs}
    pods = {"head": head.template.spec, **{name: group.template.spec for name, group in groups.items()}}
    params = {"head": head.rayStartParams, **{name: group.rayStartParams for name, group in groups.items()}}
    scaler = spec.autoscalerOptions
    wrong = [f"the cluster: {what}" for what in _cluster(spec)]
    wrong += [f"autoscaler: {what}" for what in (*_security(scaler.securityContext), *_bounds(scaler.resources))]
    for name, pod in pods.items():
        wrong += [f"{name}: {what}" for what in _pod(pod, int(params[name].object_store_memory), worker=name != "head")]
    for name, group in groups.items():
        gpus = [c.resources.limits.get("nvidia.com/gpu", "0") for c in group.template.spec.containers]
        if name == "gpu" and (gpus != ["1"] or group.minReplicas or not group.template.spec.tolerations):
            wrong.append("gpu: needs one GPU per container, no idle nodes, and a toleration for GPU nodes")
        if name != "gpu" and gpus != ["0"]:
            wrong.append(f"{name}: takes GPUs")
    return wrong


def _cluster(spec: RayClusterSpec) -> Iterator[str]:
    if spec.rayVersion != LOCKED["ray"]:
        yield f"Ray {spec.rayVersion}, locked is {LOCKED['ray']}"
    if spec.authOptions.mode != "token":
        yield "no token"
    if not spec.enableInTreeAutoscaling:
        yield "does not scale"
    if spec.headGroupSpec.serviceType != "ClusterIP":
        yield "the Jobs API is open to the world"
    if spec.headGroupSpec.rayStartParams.num_cpus != "0":
        yield "tasks on the head"
    if {group.groupName for group in spec.workerGroupSpecs} != {"cpu", "gpu"}:
        yield "not a CPU and a GPU group"


def _pod(pod: Pod, store: int, worker: bool) -> Iterator[str]:
    accounts = {tree["metadata"]["name"]: tree for tree in documents(CLUSTER) if tree["kind"] == "ServiceAccount"}
    if pod.serviceAccountName not in accounts:
        yield f"no document creates the service account {pod.serviceAccountName}"
    if worker and pod.automountServiceAccountToken:
        yield "holds a token of Kubernetes"
    yield from _pod_security(pod.securityContext)
    shared = {volume.name: volume.emptyDir for volume in pod.volumes if volume.emptyDir.medium == "Memory"}
    for container in pod.containers:
        yield from _container(container)
        mounts = {mount.mountPath: mount.name for mount in container.volumeMounts}
        if mounts != {"/dev/shm": "shared-mem", "/tmp/ray": "ray-logs"}:  # KubeRay's names: it adds no second ones
            yield "mounts"
        room = [amount(volume.sizeLimit) for name, volume in shared.items() if name == mounts.get("/dev/shm")]
        if not room or not store <= room[0] < amount(container.resources.limits["memory"]):
            yield "the object store does not fit into /dev/shm, or that not into the memory"


def _container(container: Container) -> Iterator[str]:
    yield from _security(container.securityContext)
    yield from _bounds(container.resources)
    if not re.fullmatch(rf"shopbatch:{re.escape(VERSION)}(-gpu|-cuda|-spark)?", container.image):
        yield f"image {container.image}, the version is {VERSION}"
    given = {variable.name: variable.value for variable in container.env}
    for name, value in given.items():
        if value is not None and redact_config({name: value})[name] != value:
            yield f"the secret {name} is in the file"
    if not str(given.get("SHOPBATCH_WAREHOUSE")).startswith("s3://"):
        yield "no warehouse"
    if [source.secretRef.name for source in container.envFrom] != ["shopbatch-warehouse"]:
        yield "no credentials of the warehouse"


def _security(context: Any) -> Iterator[str]:
    yield from _pod_security(context)
    if context.allowPrivilegeEscalation or context.privileged:
        yield "may gain privileges"
    if context.capabilities.drop != ["ALL"] or context.capabilities.add:
        yield "keeps capabilities"


def _pod_security(context: Any) -> Iterator[str]:
    if not context.runAsNonRoot or (context.runAsUser, context.runAsGroup) != (USER, USER):
        yield "root, or not the image's user"
    if isinstance(context, PodSecurity) and context.fsGroup != USER:
        yield "can not read its volumes"
    if context.seccompProfile.type != "RuntimeDefault":
        yield "any system call"


def _bounds(resources: Resources) -> Iterator[str]:
    if {"cpu", "memory"} - set(resources.requests) or resources.requests != resources.limits:
        yield "requests are not the limits"


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_object_of_a_manifest_is_valid(name: str) -> None:
    found = [KINDS[tree["kind"]].model_validate(tree) for tree in documents(name)]
    assert sum(isinstance(f, RayCluster | RayJob) for f in found) == 1  # the other objects only support it


@pytest.mark.parametrize("name", [CLUSTER, JOB])
def test_clusters_are_safe_bounded_and_of_this_version(name: str) -> None:
    assert problems(ray_object(name)) == []


HEAD = "headGroupSpec.template.spec"
ON_GPU = "workerGroupSpecs.1.template.spec.containers.0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("authOptions.mode", "disabled"),
        ("authOptions", None),
        ("authOption", {"mode": "token"}),
        ("rayVersion", "2.59.0"),
        ("enableInTreeAutoscaling", False),
        ("autoscalerOptions.securityContext.runAsNonRoot", False),
        ("autoscalerOptions.resources.limits", {}),
        ("headGroupSpec.serviceType", "LoadBalancer"),
        ("headGroupSpec.rayStartParams.num-cpus", "2"),
        ("headGroupSpec.rayStartParams.num-cpus", 0),
        (f"{HEAD}.serviceAccountName", "default"),
        (f"{HEAD}.restartPolicy", "Always"),
        (f"{HEAD}.containers.0.securityContext", None),
        (f"{HEAD}.containers.0.securityContext.allowPrivilegeEscalation", True),
        (f"{HEAD}.containers.0.securityContext.privileged", True),
        (f"{HEAD}.containers.0.securityContext.capabilities.add", ["NET_ADMIN"]),
        (f"{HEAD}.containers.0.securityContext.seccompProfile.type", "Unconfined"),
        (f"{HEAD}.containers.0.image", "shopbatch:latest"),
        (f"{HEAD}.containers.0.envFrom", []),
        (f"{HEAD}.containers.0.env.0", {"name": "AWS_SECRET_ACCESS_KEY", "value": "aVerySecretOne"}),
        (f"{HEAD}.volumes.0.emptyDir.medium", ""),
        (f"{HEAD}.volumes.0.emptyDir.sizeLimit", "512Mi"),
        (f"{HEAD}.volumes.0.name", "other"),
        (f"{HEAD}.containers.0.volumeMounts.1.mountPath", "/tmp"),
        ("workerGroupSpecs.0.template.spec.automountServiceAccountToken", True),
        ("workerGroupSpecs.0.template.spec.securityContext.runAsUser", 0),
        ("workerGroupSpecs.0.template.spec.containers.0.resources.limits.memory", "32Gi"),
        ("workerGroupSpecs.0.template.spec.containers.0.resources.requests.memory", "16 GB"),
        ("workerGroupSpecs.0.replicas", 9),
        ("workerGroupSpecs.1.minReplicas", 1),
        ("workerGroupSpecs.1.groupName", "cpu"),
        ("workerGroupSpecs.1.template.spec.tolerations", []),
        (f"{ON_GPU}.resources.limits", {"cpu": "8", "memory": "48Gi"}),
    ],
)
@pytest.mark.parametrize("name", [CLUSTER, JOB])
def test_a_manifest_that_is_broken_on_purpose_does_not_pass(name: str, path: str, value: Any) -> None:
    tree = ray_object(name)
    broken = copy.deepcopy(tree)
    place = broken["spec"]["rayClusterSpec"] if name == JOB else broken["spec"]
    *way, last = path.split(".")
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    else:
        place[key] = value
    assert broken != tree
    try:
        assert problems(broken)
    except ValidationError as error:
        assert error.error_count()


def test_the_job_runs_the_command_line_of_shopbatch_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = RayJob.model_validate(ray_object(JOB))
    words = shlex.split(found.spec.entrypoint)
    assert words[:5] == ["exec", "python", "-m", "shopbatch", "run"]
    assert words[5] in job.names() and words[5].replace("_", "-") in JOB
    declared = job.find(words[5])
    assert declared.estimate is None or not declared.estimate_in_session, "a dry run of this job would start Ray"
    container = found.spec.rayClusterSpec.headGroupSpec.template.spec.containers[0]
    monkeypatch.setenv("SHOPBATCH_HOME", str(ROOT))
    for variable in container.env:
        monkeypatch.setenv(variable.name, variable.value or "")
    # an engine that reads no tokens: there is no such bucket to estimate them from
    assert cli.main([*words[4:], "engine.kind=fake", "--dry-run"]) == job.DONE
    platform = json.loads(capsys.readouterr().out)["platform"]
    assert platform["ray_address"] == "auto"
    assert platform["warehouse"].startswith("s3://")


def test_the_job_is_tried_once_and_leaves_nothing_running() -> None:
    spec = RayJob.model_validate(ray_object(JOB)).spec
    assert (spec.submissionMode, spec.backoffLimit, spec.shutdownAfterJobFinishes) == ("HTTPMode", 0, True)
    assert spec.ttlSecondsAfterFinished > 0
    # as `shopbatch submit` sends it
    assert yaml.safe_load(spec.runtimeEnvYAML) == {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(submit.STOP_SECONDS)}}


def test_both_manifests_name_the_same_warehouse_as_the_file_of_ray_up() -> None:
    named = set(re.findall(r"s3://[\w/-]+", "\n".join(path.read_text("utf-8") for path in RAY.iterdir())))
    assert named == {"s3://your-bucket/warehouse"}


def machines() -> dict[str, Any]:
    """The file of `ray up`."""
    return dict(yaml.safe_load((RAY / "cluster.yaml").read_text("utf-8")))


def test_ray_up_takes_the_file_for_our_own_machines() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(machines()))
    with pytest.raises(Exception, match="node_types"):
        validate_config({**prepare_config(machines()), "node_types": {}})


def test_our_own_machines_are_as_safe_as_pods() -> None:
    tree = machines()
    options = tree["docker"]["run_options"]
    assert tree["docker"]["image"] == f"shopbatch:{VERSION}"
    assert {"--cap-drop=ALL", "--security-opt=no-new-privileges", "--env=RAY_AUTH_MODE=token"} <= set(options)
    token = next(option.partition("RAY_AUTH_TOKEN_PATH=")[2] for option in options if "RAY_AUTH_TOKEN_PATH=" in option)
    assert any(option.startswith("--volume=") and option.endswith(f":{token}:ro") for option in options)
    assert not [option for option in options if re.search(r"privileged\b|--user|--cap-add|TOKEN=", option)]
    head, worker = (" && ".join(tree[f"{kind}_start_ray_commands"]) for kind in ("head", "worker"))
    assert "--head " in head and "--num-cpus=0" in head and "dashboard-host" not in head
    assert "--head " not in worker and "--address=$RAY_HEAD_IP:" in worker


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_no_file_holds_a_secret_or_a_place_of_this_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    found = find_secrets(text, yaml=path.suffix == ".yaml")
    # a switch, which is true or false
    assert [what for _, what in found if what != "the value of automountServiceAccountToken"] == []
    assert not re.search(r"^ *automountServiceAccountToken: (?!false\b)", text, re.M)
    assert HIDDEN not in text and str(ROOT) not in text
    for word in ("AKIA" + "A" * 16, "https://user:word@store/"):
        assert find_secrets(f"{text}\n{word}")


@pytest.mark.parametrize("path", [p for p in WRITTEN if p.suffix not in (".py", ".dockerignore")], ids=lambda p: p.name)
def test_what_was_not_run_says_so_in_its_first_lines(path: Path) -> None:
    assert re.search(r"[Nn]ot\s(#\s)?(built|run)\s(#\s)?here", "\n".join(path.read_text("utf-8").splitlines()[:6]))
