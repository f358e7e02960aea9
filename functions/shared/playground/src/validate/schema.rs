//! The fields that are decoded strictly, as the API server's types have them. Fields that are not here are not looked at.

/// What a field must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Text,
    /// A string with a name of its own.
    Named(&'static str),
    Bool,
    Int32,
    Int64,
    IntOrText,
    Quantity,
    Time,
    /// Bytes, in base64.
    Bytes,
    Struct(&'static str),
    Texts,
    List(&'static str),
    TextMap,
    BytesMap,
    QuantityMap,
}

use Type::{Bool, Bytes, BytesMap, Int32, Int64, IntOrText, List, Named, Quantity, QuantityMap, Struct, Text, TextMap, Texts, Time};

type Fields = &'static [(&'static str, Type)];

const META: Fields = &[
    ("name", Text),
    ("generateName", Text),
    ("namespace", Text),
    ("labels", TextMap),
    ("annotations", TextMap),
    ("finalizers", Texts),
    ("ownerReferences", List("OwnerReference")),
    ("creationTimestamp", Time),
    ("deletionTimestamp", Time),
    ("generation", Int64),
    ("uid", Named("types.UID")),
    ("resourceVersion", Text),
];
const POD_SPEC: Fields = &[
    ("containers", List("Container")),
    ("initContainers", List("Container")),
    ("volumes", List("Volume")),
    ("restartPolicy", Named("v1.RestartPolicy")),
    ("terminationGracePeriodSeconds", Int64),
    ("activeDeadlineSeconds", Int64),
    ("dnsPolicy", Named("v1.DNSPolicy")),
    ("nodeSelector", TextMap),
    ("serviceAccountName", Text),
    ("automountServiceAccountToken", Bool),
    ("nodeName", Text),
    ("hostNetwork", Bool),
    ("hostPID", Bool),
    ("hostIPC", Bool),
    ("shareProcessNamespace", Bool),
    ("securityContext", Struct("PodSecurityContext")),
    ("imagePullSecrets", List("LocalObjectReference")),
    ("hostname", Text),
    ("subdomain", Text),
    ("affinity", Struct("Affinity")),
    ("schedulerName", Text),
    ("tolerations", List("Toleration")),
    ("priorityClassName", Text),
    ("priority", Int32),
    ("enableServiceLinks", Bool),
];
const CONTAINER: Fields = &[
    ("name", Text),
    ("image", Text),
    ("command", Texts),
    ("args", Texts),
    ("workingDir", Text),
    ("ports", List("ContainerPort")),
    ("env", List("EnvVar")),
    ("envFrom", List("EnvFromSource")),
    ("resources", Struct("ResourceRequirements")),
    ("volumeMounts", List("VolumeMount")),
    ("livenessProbe", Struct("Probe")),
    ("readinessProbe", Struct("Probe")),
    ("startupProbe", Struct("Probe")),
    ("terminationMessagePath", Text),
    ("imagePullPolicy", Named("v1.PullPolicy")),
    ("securityContext", Struct("SecurityContext")),
    ("stdin", Bool),
    ("tty", Bool),
];
const DEPLOYMENT: Fields = &[
    ("replicas", Int32),
    ("selector", Struct("LabelSelector")),
    ("template", Struct("PodTemplateSpec")),
    ("strategy", Struct("DeploymentStrategy")),
    ("minReadySeconds", Int32),
    ("revisionHistoryLimit", Int32),
    ("paused", Bool),
    ("progressDeadlineSeconds", Int32),
];
const STATEFUL_SET: Fields = &[
    ("replicas", Int32),
    ("selector", Struct("LabelSelector")),
    ("template", Struct("PodTemplateSpec")),
    ("volumeClaimTemplates", List("PersistentVolumeClaim")),
    ("serviceName", Text),
    ("podManagementPolicy", Named("v1.PodManagementPolicyType")),
    ("updateStrategy", Struct("StatefulSetUpdateStrategy")),
    ("revisionHistoryLimit", Int32),
    ("minReadySeconds", Int32),
];
const JOB: Fields = &[
    ("parallelism", Int32),
    ("completions", Int32),
    ("activeDeadlineSeconds", Int64),
    ("backoffLimit", Int32),
    ("selector", Struct("LabelSelector")),
    ("manualSelector", Bool),
    ("template", Struct("PodTemplateSpec")),
    ("ttlSecondsAfterFinished", Int32),
    ("completionMode", Named("v1.CompletionMode")),
    ("suspend", Bool),
];
const SERVICE: Fields = &[
    ("ports", List("ServicePort")),
    ("selector", TextMap),
    ("clusterIP", Text),
    ("clusterIPs", Texts),
    ("type", Named("v1.ServiceType")),
    ("externalIPs", Texts),
    ("sessionAffinity", Named("v1.ServiceAffinity")),
    ("loadBalancerIP", Text),
    ("loadBalancerSourceRanges", Texts),
    ("externalName", Text),
    ("publishNotReadyAddresses", Bool),
];
const PROBE: Fields = &[
    ("httpGet", Struct("HTTPGetAction")),
    ("tcpSocket", Struct("TCPSocketAction")),
    ("exec", Struct("ExecAction")),
    ("initialDelaySeconds", Int32),
    ("timeoutSeconds", Int32),
    ("periodSeconds", Int32),
    ("successThreshold", Int32),
    ("failureThreshold", Int32),
];
const PORT: Fields = &[("name", Text), ("hostPort", Int32), ("containerPort", Int32), ("protocol", Named("v1.Protocol")), ("hostIP", Text)];
const SERVICE_PORT: Fields =
    &[("name", Text), ("protocol", Named("v1.Protocol")), ("port", Int32), ("targetPort", IntOrText), ("nodePort", Int32)];

/// The fields of a type; none of one that is not known.
pub(super) fn fields(kind: &str) -> Fields {
    match kind {
        "ObjectMeta" => META,
        "PodSpec" => POD_SPEC,
        "Container" => CONTAINER,
        "DeploymentSpec" => DEPLOYMENT,
        "ReplicaSetSpec" => &[
            ("replicas", Int32),
            ("minReadySeconds", Int32),
            ("selector", Struct("LabelSelector")),
            ("template", Struct("PodTemplateSpec")),
        ],
        "StatefulSetSpec" => STATEFUL_SET,
        "DaemonSetSpec" => &[
            ("selector", Struct("LabelSelector")),
            ("template", Struct("PodTemplateSpec")),
            ("updateStrategy", Struct("DaemonSetUpdateStrategy")),
            ("minReadySeconds", Int32),
            ("revisionHistoryLimit", Int32),
        ],
        "JobSpec" => JOB,
        "ServiceSpec" => SERVICE,
        "IngressSpec" => &[("rules", List("IngressRule")), ("ingressClassName", Text)],
        "LabelSelector" => &[("matchLabels", TextMap), ("matchExpressions", List("LabelSelectorRequirement"))],
        "LabelSelectorRequirement" => &[("key", Text), ("operator", Named("v1.LabelSelectorOperator")), ("values", Texts)],
        "PodTemplateSpec" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("PodSpec"))],
        "DeploymentStrategy" => &[("type", Named("v1.DeploymentStrategyType")), ("rollingUpdate", Struct("RollingUpdateDeployment"))],
        "RollingUpdateDeployment" | "RollingUpdateDaemonSet" => &[("maxUnavailable", IntOrText), ("maxSurge", IntOrText)],
        "StatefulSetUpdateStrategy" => {
            &[("type", Named("v1.StatefulSetUpdateStrategyType")), ("rollingUpdate", Struct("RollingUpdateStatefulSetStrategy"))]
        }
        "RollingUpdateStatefulSetStrategy" => &[("partition", Int32)],
        "DaemonSetUpdateStrategy" => {
            &[("type", Named("v1.DaemonSetUpdateStrategyType")), ("rollingUpdate", Struct("RollingUpdateDaemonSet"))]
        }
        "ContainerPort" => PORT,
        "EnvVar" => &[("name", Text), ("value", Text), ("valueFrom", Struct("EnvVarSource"))],
        "ResourceRequirements" => &[("limits", QuantityMap), ("requests", QuantityMap)],
        "VolumeMount" => &[("name", Text), ("mountPath", Text), ("readOnly", Bool), ("subPath", Text)],
        "Volume" => &[("name", Text)],
        "Probe" => PROBE,
        "HTTPGetAction" => &[("path", Text), ("port", IntOrText), ("host", Text)],
        "TCPSocketAction" => &[("port", IntOrText), ("host", Text)],
        "ExecAction" => &[("command", Texts)],
        "Toleration" => &[("key", Text), ("value", Text), ("tolerationSeconds", Int64)],
        "LocalObjectReference" => &[("name", Text)],
        "OwnerReference" => &[("apiVersion", Text), ("kind", Text), ("name", Text), ("uid", Named("types.UID")), ("controller", Bool)],
        "ServicePort" => SERVICE_PORT,
        "Deployment" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("DeploymentSpec"))],
        "ReplicaSet" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("ReplicaSetSpec"))],
        "StatefulSet" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("StatefulSetSpec"))],
        "DaemonSet" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("DaemonSetSpec"))],
        "Job" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("JobSpec"))],
        "Pod" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("PodSpec"))],
        "Service" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("ServiceSpec"))],
        "Ingress" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("IngressSpec"))],
        "Namespace" => &[("metadata", Struct("ObjectMeta")), ("spec", Struct("NamespaceSpec"))],
        "ConfigMap" => &[("metadata", Struct("ObjectMeta")), ("data", TextMap), ("binaryData", BytesMap), ("immutable", Bool)],
        "Secret" => &[
            ("metadata", Struct("ObjectMeta")),
            ("data", BytesMap),
            ("stringData", TextMap),
            ("type", Named("v1.SecretType")),
            ("immutable", Bool),
        ],
        _ => &[],
    }
}

/// The name of a type in a message.
pub(super) fn go(of: Type) -> String {
    match of {
        Text | Texts | TextMap => "string".to_owned(),
        Named(name) => name.to_owned(),
        Bool => "bool".to_owned(),
        Int32 | IntOrText => "int32".to_owned(),
        Int64 => "int64".to_owned(),
        Bytes | BytesMap => "[]uint8".to_owned(),
        Struct(name) | List(name) => format!("v1.{name}"),
        Quantity | QuantityMap => "resource.Quantity".to_owned(),
        Time => "v1.Time".to_owned(),
    }
}
