//! AWS CloudTrail records.

use super::json::{flag, scalar, shape, structure};
use crate::error::{Error, Result};
use crate::event::{Event, Field, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trail<'a> {
    #[serde(borrow, rename = "eventID")]
    event_id: Raw<'a>,
    #[serde(borrow)]
    event_time: Raw<'a>,
    #[serde(borrow)]
    event_name: Raw<'a>,
    #[serde(borrow)]
    event_source: Raw<'a>,
    #[serde(borrow)]
    event_type: Raw<'a>,
    #[serde(borrow)]
    event_category: Raw<'a>,
    #[serde(borrow)]
    user_identity: Raw<'a>,
    #[serde(borrow, rename = "sourceIPAddress")]
    source_ip: Raw<'a>,
    #[serde(borrow)]
    request_parameters: Raw<'a>,
    #[serde(borrow)]
    resources: Raw<'a>,
    #[serde(borrow, rename = "requestID")]
    request_id: Raw<'a>,
    #[serde(borrow)]
    error_code: Raw<'a>,
    #[serde(borrow)]
    read_only: Raw<'a>,
    #[serde(borrow)]
    api_version: Raw<'a>,
    #[serde(borrow)]
    recipient_account_id: Raw<'a>,
    #[serde(borrow, rename = "sharedEventID")]
    shared_event_id: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    principal_id: Raw<'a>,
    #[serde(borrow)]
    arn: Raw<'a>,
    #[serde(borrow)]
    account_id: Raw<'a>,
    #[serde(borrow)]
    access_key_id: Raw<'a>,
    #[serde(borrow)]
    user_name: Raw<'a>,
    #[serde(borrow)]
    invoked_by: Raw<'a>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, rename = "ARN", alias = "arn")]
    arn: Raw<'a>,
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
}

/// The request parameters that name a resource, and the type of resource they name.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Named<'a> {
    #[serde(borrow)]
    bucket_name: Raw<'a>,
    #[serde(borrow)]
    instance_id: Raw<'a>,
    #[serde(borrow)]
    function_name: Raw<'a>,
    #[serde(borrow)]
    role_name: Raw<'a>,
    #[serde(borrow)]
    user_name: Raw<'a>,
    #[serde(borrow)]
    group_name: Raw<'a>,
    #[serde(borrow)]
    policy_arn: Raw<'a>,
    #[serde(borrow)]
    key_id: Raw<'a>,
    #[serde(borrow)]
    secret_id: Raw<'a>,
    #[serde(borrow)]
    snapshot_id: Raw<'a>,
    #[serde(borrow)]
    group_id: Raw<'a>,
    #[serde(borrow)]
    role_arn: Raw<'a>,
    #[serde(borrow)]
    name: Raw<'a>,
}

pub(super) fn decode(record: &str) -> Result<Event> {
    let trail: Trail<'_> = shape("cloudtrail", record)?;
    let mut event = Event::default();
    let time = scalar(trail.event_time).ok_or_else(|| Error::invalid("cloudtrail: the record has no eventTime"))?;
    event.time = Timestamp::parse(&time).map_err(|error| Error::invalid(format!("cloudtrail: eventTime: {error}")))?;
    let texts = [
        (Field::TraceId, trail.event_id),
        (Field::EventName, trail.event_name),
        (Field::Source, trail.event_source),
        (Field::SourceIp, trail.source_ip),
        (Field::RequestId, trail.request_id),
        (Field::Code, trail.error_code),
        (Field::ApiVersion, trail.api_version),
    ];
    for (field, raw) in texts {
        event.set_opt(field, scalar(raw));
    }
    event.read_only = flag(trail.read_only);
    let failed = event.text(Field::Code).is_some();
    event.set(Field::Level, if failed { "warning" } else { "normal" });
    let data = scalar(trail.event_category).is_some_and(|category| category == "Data");
    event.set(Field::EventType, if data { "data" } else { "system" });
    let trace_type = match scalar(trail.event_type).as_deref() {
        Some("AwsApiCall") => "ApiCall",
        Some("AwsConsoleSignIn" | "AwsConsoleAction") => "ConsoleAction",
        Some("AwsServiceEvent") => "SystemAction",
        _ => "Others",
    };
    event.set(Field::TraceType, trace_type);
    for (kind, raw) in [("account", trail.recipient_account_id), ("shared_event", trail.shared_event_id)] {
        if let Some(id) = scalar(raw) {
            event.relate(kind, id);
        }
    }
    identity(trail.user_identity, &mut event);
    resource(&trail, &mut event);
    Ok(event)
}

/// Who did it: the user's name, the role and session of an assumed role, the service that called, or `root`.
fn identity(raw: Raw<'_>, event: &mut Event) {
    let Some(identity) = raw.and_then(|raw| serde_json::from_str::<Identity<'_>>(raw.get()).ok()) else { return };
    let kind = scalar(identity.kind);
    let arn = scalar(identity.arn);
    let session = arn.as_deref().and_then(|arn| arn.split_once(":assumed-role/")).map(|(_, session)| session.to_owned());
    let root = (kind.as_deref() == Some("Root")).then(|| "root".to_owned());
    let name = scalar(identity.user_name).map(Cow::into_owned);
    let last = arn.as_deref().and_then(|arn| arn.rsplit(['/', ':']).next()).map(str::to_owned);
    let invoked_by = scalar(identity.invoked_by).map(Cow::into_owned);
    let principal = scalar(identity.principal_id).map(Cow::into_owned);
    let operator = session.or(root).or(name).or(last).or(invoked_by).or_else(|| principal.clone());
    event.set_opt(Field::Operator, operator);
    event.set_opt(Field::AccessKeyId, scalar(identity.access_key_id));
    if let Some(account) = scalar(identity.account_id) {
        event.relate("account", account);
    }
    if let Some(principal) = principal {
        event.relate("principal", principal);
    }
}

/// What it was done to: the first resource that the record lists, or else what the request names.
fn resource(trail: &Trail<'_>, event: &mut Event) {
    let listed = trail.resources.and_then(|raw| serde_json::from_str::<Vec<Resource<'_>>>(raw.get()).ok()).unwrap_or_default();
    for resource in &listed {
        if let Some(arn) = scalar(resource.arn) {
            event.relate("resource", arn);
        }
    }
    if let Some(first) = listed.first() {
        event.set_opt(Field::ResourceType, scalar(first.kind));
        if let Some(arn) = scalar(first.arn) {
            event.set(Field::ResourceName, arn.rsplit(['/', ':']).next().unwrap_or(&arn));
            event.set(Field::ResourceId, arn);
        }
    }
    let Some(json) = structure(trail.request_parameters) else { return };
    // Parameters of another shape name nothing that is known.
    let named: Named<'_> = serde_json::from_str(&json).unwrap_or_default();
    let kinds = [
        ("AWS::S3::Bucket", named.bucket_name),
        ("AWS::EC2::Instance", named.instance_id),
        ("AWS::Lambda::Function", named.function_name),
        ("AWS::IAM::Role", named.role_name),
        ("AWS::IAM::User", named.user_name),
        ("AWS::IAM::Group", named.group_name),
        ("AWS::IAM::Policy", named.policy_arn),
        ("AWS::KMS::Key", named.key_id),
        ("AWS::SecretsManager::Secret", named.secret_id),
        ("AWS::EC2::Snapshot", named.snapshot_id),
        ("AWS::EC2::SecurityGroup", named.group_id),
        ("AWS::IAM::Role", named.role_arn),
        ("", named.name),
    ];
    let Some((kind, id)) = kinds.into_iter().find_map(|(kind, raw)| Some((kind, scalar(raw)?))) else { return };
    if event.text(Field::ResourceType).is_none() {
        event.set(Field::ResourceType, kind);
    }
    if event.text(Field::ResourceName).is_none() {
        event.set(Field::ResourceName, id.rsplit(['/', ':']).next().unwrap_or(&id));
    }
    if event.text(Field::ResourceId).is_none() {
        event.set(Field::ResourceId, &id);
    }
}
