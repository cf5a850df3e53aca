//! Field names of community rules, as the records have them.
//!
//! Rules name fields as the shipper of their time did: those for Google Cloud as Filebeat's module
//! does (`gcp.audit.method_name`) or below the `data` of an envelope, those for Windows by the name
//! of a value alone. Records of one log source come in several shapes, so a field may stand at
//! several paths, and a test is of the value at any of them. Letter case does not matter, so
//! `eventtype` needs no mapping to `eventType`.

mod auditd;
mod google;
mod kubernetes;
mod microsoft;
mod windows;

use crate::text::fold;
use auditd::AuditTypes;
use serde_json::{Map, Value as Json};

/// A log source whose records name fields otherwise than rules do.
#[derive(Debug, Clone)]
enum NamedSource {
    Windows,
    Auditd(AuditTypes),
    Azure {
        service: String,
    },
    Microsoft365,
    Workspace,
    GoogleCloud,
    Kubernetes,
    /// Its records have the names of the rules.
    Other,
}

/// The names of fields in the records of a rule's log source.
#[derive(Debug, Clone)]
pub(super) struct FieldNames {
    source: NamedSource,
}

impl FieldNames {
    /// Returns the names for a product and a service of it, in lower case, and the detection of a
    /// rule about them.
    pub(super) fn of(product: &str, service: &str, detection: &Map<String, Json>) -> Self {
        let source = match (product, service) {
            ("windows", _) => NamedSource::Windows,
            ("linux", "auditd") => NamedSource::Auditd(AuditTypes::of(detection)),
            ("azure", _) => NamedSource::Azure { service: service.to_owned() },
            ("m365", _) => NamedSource::Microsoft365,
            ("gcp", service) if service.starts_with("google_workspace") => NamedSource::Workspace,
            ("gcp", _) => NamedSource::GoogleCloud,
            ("kubernetes", _) => NamedSource::Kubernetes,
            _ => NamedSource::Other,
        };
        Self { source }
    }

    /// Returns the names within a map of a detection, whose fields may say what the others mean.
    pub(super) fn within(&self, fields: &Map<String, Json>) -> Self {
        let source = match &self.source {
            NamedSource::Auditd(types) => NamedSource::Auditd(types.within(fields)),
            source => source.clone(),
        };
        Self { source }
    }

    /// Returns the paths where a field may stand, each once.
    pub(super) fn paths_of(&self, field: &str) -> Vec<String> {
        let paths = match &self.source {
            NamedSource::Windows => windows::paths_of(field),
            NamedSource::Auditd(types) => types.paths_of(field),
            NamedSource::Azure { service } => microsoft::azure_paths_of(field, service),
            NamedSource::Microsoft365 => microsoft::m365_paths_of(field),
            NamedSource::Workspace => google::workspace_paths_of(field),
            NamedSource::GoogleCloud => google::cloud_paths_of(field),
            NamedSource::Kubernetes => kubernetes::paths_of(field),
            NamedSource::Other => vec![field.to_owned()],
        };
        let mut each: Vec<String> = Vec::new();
        for path in paths {
            if !each.iter().any(|known| fold(known) == fold(&path)) {
                each.push(path);
            }
        }
        each
    }

    /// Returns a test of the record that means the same as a field with this value, where records
    /// say it in another way and not only at another path.
    pub(super) fn otherwise(&self, field: &str, value: &str) -> Option<Json> {
        if value.contains(['*', '?', '\\']) {
            return None;
        }
        let field = field.to_lowercase();
        match &self.source {
            NamedSource::Auditd(_) => auditd::otherwise(&field, value),
            NamedSource::Azure { service } => microsoft::azure_otherwise(&field, value, service),
            NamedSource::Microsoft365 => microsoft::m365_otherwise(&field, value),
            NamedSource::Workspace => google::workspace_otherwise(&field, value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(source: (&str, &str), field: &str) -> Vec<String> {
        FieldNames::of(source.0, source.1, &Map::new()).paths_of(field)
    }

    #[test]
    fn fields_have_the_paths_of_the_records() {
        let gcp = ("gcp", "gcp.audit");
        for (source, field, path) in [
            (gcp, "gcp.audit.method_name", "protoPayload.methodName"),
            (
                gcp,
                "gcp.audit.authentication_info.principal_email",
                "protoPayload.authenticationInfo.principalEmail",
            ),
            (gcp, "data.protoPayload.methodName", "protoPayload.methodName"),
            (gcp, "protoPayload.methodName", "protoPayload.methodName"),
            (gcp, "data.protoPayload.logName", "logName"),
            (gcp, "data.protoPayload.resource.type", "resource.type"),
            (gcp, "gcp.audit.log_name", "logName"),
            (("kubernetes", "audit"), "hostPath", "requestObject.spec.volumes.hostPath"),
            (("kubernetes", "audit"), "apiGroup", "objectRef.apiGroup"),
            (("kubernetes", "audit"), "objectRef.resource", "objectRef.resource"),
            (("m365", "audit"), "eventName", "Operation"),
            (("m365", "threat_management"), "eventName", "Name"),
            (("m365", "threat_management"), "eventSource", "Workload"),
            (("azure", "signinlogs"), "ResultType", "properties.status.errorCode"),
            (
                ("azure", "signinlogs"),
                "DeviceDetail.trusttype",
                "properties.DeviceDetail.trusttype",
            ),
            (("azure", "auditlogs"), "properties.message", "properties.activityDisplayName"),
            (("azure", "auditlogs"), "properties.result", "result"),
            (("gcp", "google_workspace.admin"), "eventName", "events.name"),
            (("windows", "security"), "EventID", "Event.System.EventID.#text"),
            (("windows", ""), "Provider_Name", "winlog.provider_name"),
            (("windows", ""), "Image", "Event.EventData.Image"),
            (("linux", "auditd"), "exe", "auditd.data.syscall.exe"),
            (("aws", "cloudtrail"), "eventName", "eventName"),
        ] {
            let paths = paths(source, field);
            assert!(paths.iter().any(|known| known == path), "{field}: {paths:?}");
            assert!(paths.len() <= 16, "{field}: a record test has at most 16 paths");
        }
        assert_eq!(paths(("aws", "cloudtrail"), "eventName"), ["eventName"]);
        assert_eq!(paths(("windows", ""), "winlog.event_id"), ["winlog.event_id"]);
        // The names differ in case only.
        assert_eq!(
            paths(("azure", "activitylogs"), "ResourceId"),
            ["ResourceId", "properties.ResourceId"]
        );
    }

    #[test]
    fn the_type_of_an_audit_record_says_where_its_fields_are() {
        let detection = json!({ "s": { "type": "PATH", "name|contains": "x" },
            "t": [{ "type": ["SYSCALL", "EXECVE"] }] });
        let detection = detection.as_object().expect("a map");
        let names = FieldNames::of("linux", "auditd", detection);
        let inside = names.within(detection["s"].as_object().expect("a map"));
        assert_eq!(inside.paths_of("name"), ["name", "auditd.data.path.name"]);
        let anywhere = names.within(&Map::new()).paths_of("a0");
        assert_eq!(
            anywhere,
            ["a0", "auditd.data.path.a0", "auditd.data.syscall.a0", "auditd.data.execve.a0"]
        );
        let exists = json!({ "path": "auditd.data.execve", "exists": true });
        assert_eq!(names.otherwise("Type", "EXECVE"), Some(exists));
        assert_eq!(names.otherwise("type", "USER_*"), None);
        assert_eq!(names.otherwise("name", "x"), None);
    }
}
