//! Kubernetes' audit log, of whose paths rules name the last key only.

/// What rules name, and where it stands in the specification of a pod.
const FIELDS: &[(&str, &[&str])] = &[
    ("hostpath", &["volumes.hostPath"]),
    (
        "capabilities",
        &["containers.securityContext.capabilities", "initContainers.securityContext.capabilities"],
    ),
    (
        "privileged",
        &["containers.securityContext.privileged", "initContainers.securityContext.privileged"],
    ),
    ("hostnetwork", &["hostNetwork"]),
    ("hostpid", &["hostPID"]),
];
/// Where that stands: in a pod, and in the template of what creates pods.
const PODS: &[&str] = &["requestObject.spec", "requestObject.spec.template.spec"];

pub(super) fn paths_of(field: &str) -> Vec<String> {
    let name = field.to_lowercase();
    if name == "apigroup" {
        return vec!["objectRef.apiGroup".to_owned()];
    }
    let Some((_, paths)) = FIELDS.iter().find(|(known, _)| *known == name) else {
        return vec![field.to_owned()];
    };
    PODS.iter().flat_map(|pod| paths.iter().map(move |path| format!("{pod}.{path}"))).collect()
}
