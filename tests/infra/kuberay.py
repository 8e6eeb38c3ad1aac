"""A model of the parts of the Kubernetes and KubeRay APIs (ray.io/v1, KubeRay 1.5 to 1.7) that infra/ray uses.

It is written from KubeRay's API reference and the checks of its operator, because both need a cluster to run. Every
other field is refused: a field that KubeRay has and this model does not fails a test until somebody adds it here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

_UNITS = {"": 1, "m": 0.001, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

# a DNS label that begins with a letter; 47 characters are what KubeRay leaves of it for its own endings
Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=47)]
Prefix = Annotated[str, StringConstraints(pattern=r"^[a-z][-a-z0-9]*-$", max_length=42)]
Quantity = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Digits = Annotated[str, StringConstraints(pattern=r"^\d+$")]


def amount(quantity: str) -> float:
    """A quantity as a number: 1500m is 1.5, 1Gi is 2**30."""
    found = re.fullmatch(r"([\d.]+)(\D*)", quantity)
    assert found is not None, quantity
    return float(found[1]) * _UNITS[found[2]]


class Api(BaseModel):
    """Strict types, because KubeRay's server also refuses "true" for true and 1 for "1"."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Metadata(Api):
    name: Name | None = None
    generateName: Prefix | None = None
    annotations: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.name is None) == (self.generateName is None):
            raise ValueError("either name or generateName")
        return self


class ServiceAccount(Api):
    apiVersion: Literal["v1"]
    kind: Literal["ServiceAccount"]
    metadata: Metadata
    automountServiceAccountToken: bool = True


class Seccomp(Api):
    type: Literal["RuntimeDefault", "Localhost", "Unconfined"]


class Capabilities(Api):
    drop: list[str] = []
    add: list[str] = []


class ContainerSecurity(Api):
    runAsNonRoot: bool = False
    runAsUser: int = 0
    runAsGroup: int = 0
    privileged: bool = False
    allowPrivilegeEscalation: bool = True
    readOnlyRootFilesystem: bool = False
    capabilities: Capabilities = Capabilities()
    seccompProfile: Seccomp = Seccomp(type="Unconfined")


class PodSecurity(Api):
    runAsNonRoot: bool = False
    runAsUser: int = 0
    runAsGroup: int = 0
    fsGroup: int = 0
    seccompProfile: Seccomp = Seccomp(type="Unconfined")


class Resources(Api):
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Reference(Api):
    name: Name
    optional: bool = False


class KeyReference(Reference):
    key: str


class ValueFrom(Api):
    secretKeyRef: KeyReference


class EnvVar(Api):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: str | None = None
    valueFrom: ValueFrom | None = None


class EnvFrom(Api):
    secretRef: Reference


class Port(Api):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][-a-z0-9]*$", max_length=15)]
    containerPort: Annotated[int, Field(ge=1, le=65535)]


class Mount(Api):
    name: Name
    mountPath: Annotated[str, StringConstraints(pattern=r"^/")]


class EmptyDir(Api):
    medium: Literal["", "Memory"] = ""
    sizeLimit: Quantity


class Volume(Api):
    name: Name
    emptyDir: EmptyDir


class Container(Api):
    name: Name
    image: str
    imagePullPolicy: Literal["IfNotPresent", "Always", "Never"]
    ports: list[Port] = []
    env: list[EnvVar] = []
    envFrom: list[EnvFrom] = []
    resources: Resources = Resources()
    securityContext: ContainerSecurity = ContainerSecurity()
    volumeMounts: list[Mount] = []


class Toleration(Api):
    key: str
    operator: Literal["Exists", "Equal"]
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Pod(Api):
    serviceAccountName: Name
    automountServiceAccountToken: bool = True
    restartPolicy: Literal["Never", "Always", "OnFailure"] = "Always"
    securityContext: PodSecurity = PodSecurity()
    containers: Annotated[list[Container], Field(min_length=1)]
    volumes: list[Volume] = []
    tolerations: list[Toleration] = []

    @model_validator(mode="after")
    def _mounts_are_volumes(self) -> Self:
        there = {volume.name for volume in self.volumes}
        lost = {mount.name for container in self.containers for mount in container.volumeMounts} - there
        if lost:
            raise ValueError(f"no volume {sorted(lost)}")
        return self


class Template(Api):
    spec: Pod


class StartParams(Api):
    """Options of `ray start`: KubeRay takes texts only."""

    num_cpus: Digits | None = Field(default=None, alias="num-cpus")
    object_store_memory: Digits = Field(alias="object-store-memory")


class HeadGroup(Api):
    serviceType: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    rayStartParams: StartParams
    template: Template


class WorkerGroup(Api):
    groupName: Name
    replicas: Annotated[int, Field(ge=0)] = 0
    minReplicas: Annotated[int, Field(ge=0)]
    maxReplicas: Annotated[int, Field(ge=0)]
    rayStartParams: StartParams
    template: Template

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        if not self.minReplicas <= self.replicas <= self.maxReplicas:
            raise ValueError("minReplicas <= replicas <= maxReplicas")
        return self


class AutoscalerOptions(Api):
    version: Literal["v1", "v2"]
    idleTimeoutSeconds: Annotated[int, Field(ge=1)]
    upscalingMode: Literal["Default", "Aggressive", "Conservative"]
    imagePullPolicy: Literal["IfNotPresent", "Always", "Never"]
    resources: Resources
    securityContext: ContainerSecurity


class AuthOptions(Api):
    mode: Literal["disabled", "token"]
    secretName: Name | None = None


class RayClusterSpec(Api):
    rayVersion: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    authOptions: AuthOptions = AuthOptions(mode="disabled")
    enableInTreeAutoscaling: bool = False
    autoscalerOptions: AutoscalerOptions
    headGroupSpec: HeadGroup
    workerGroupSpecs: Annotated[list[WorkerGroup], Field(min_length=1)]

    @model_validator(mode="after")
    def _as_the_operator_checks(self) -> Self:
        pods = [self.headGroupSpec.template.spec, *(group.template.spec for group in self.workerGroupSpecs)]
        if self.autoscalerOptions.version == "v2" and any(pod.restartPolicy != "Never" for pod in pods):
            raise ValueError("the second autoscaler wants restartPolicy: Never")
        if self.authOptions.mode == "token" and [int(part) for part in self.rayVersion.split(".")] < [2, 52, 0]:
            raise ValueError("a token needs Ray 2.52")
        if len({group.groupName for group in self.workerGroupSpecs}) < len(self.workerGroupSpecs):
            raise ValueError("two groups of one name")
        return self


class RayCluster(Api):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: RayClusterSpec


class RayJobSpec(Api):
    entrypoint: str
    runtimeEnvYAML: str
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]
    backoffLimit: Annotated[int, Field(ge=0)]
    activeDeadlineSeconds: Annotated[int, Field(ge=1)]
    shutdownAfterJobFinishes: bool
    ttlSecondsAfterFinished: Annotated[int, Field(ge=0)]
    rayClusterSpec: RayClusterSpec

    @model_validator(mode="after")
    def _time_to_live_needs_an_end(self) -> Self:
        if self.ttlSecondsAfterFinished and not self.shutdownAfterJobFinishes:
            raise ValueError("ttlSecondsAfterFinished counts only with shutdownAfterJobFinishes")
        return self


class RayJob(Api):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: RayJobSpec


KINDS: dict[str, type[RayCluster] | type[RayJob] | type[ServiceAccount]] = {
    "RayCluster": RayCluster,
    "RayJob": RayJob,
    "ServiceAccount": ServiceAccount,
}
