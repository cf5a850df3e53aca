//! Events of AWS CloudTrail.
//!
//! The operator is a user by name, an assumed role as `role/session`, a federated user as
//! `issuer/session`, the root user as `root`, or a service by its host name. Users of IAM Identity
//! Center are named where AWS does, and otherwise by their id in the directory. The resource is the
//! first of `resources`; most events list none, and then it is the most telling parameter of the
//! request or response.

use super::json::{self, Loose, fill, loose_object};
use crate::error::{Error, Result};
use crate::event::{Event, Field};
use std::borrow::Cow;

loose_object!(#[serde(rename_all = "camelCase")] Record {
    event_time, event_source, event_name, event_type, event_category, management_event,
    user_identity, error_code,
    error_message, request_parameters, response_elements, read_only, resources,
    additional_event_data, service_event_details, insight_details,
    recipient_account_id, api_version, aws_region,
    event_id = "eventID", request_id = "requestID", source_ip = "sourceIPAddress",
    shared_event_id = "sharedEventID", timestamp = "@timestamp",
});
loose_object!(#[serde(rename_all = "camelCase")] Identity {
    kind = "type", user_name, principal_id, arn, account_id, access_key_id, invoked_by,
    session_context, on_behalf_of,
});
loose_object!(
    #[serde(rename_all = "camelCase")]
    Session { session_issuer, on_behalf_of }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    OnBehalfOf { user_id }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    Insight { event_source, event_name, error_code }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    Issuer { user_name }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    Resource { kind = "type", arn = "ARN", arn_prefix = "ARNPrefix", account_id }
);

/// How many resources of one event are added as related ids.
const RESOURCES_MAX: usize = 1_000;

/// Parameters that name what a call acts on, the most telling first, and the type of resource they
/// name.
const PARAMETERS: &[(&str, &str)] = &[
    ("bucketName", "AWS::S3::Bucket"),
    ("instanceId", "AWS::EC2::Instance"),
    ("instancesSet", "AWS::EC2::Instance"),
    ("functionName", "AWS::Lambda::Function"),
    ("secretId", "AWS::SecretsManager::Secret"),
    ("keyId", "AWS::KMS::Key"),
    ("dBInstanceIdentifier", "AWS::RDS::DBInstance"),
    ("dBClusterIdentifier", "AWS::RDS::DBCluster"),
    ("dBSnapshotIdentifier", "AWS::RDS::DBSnapshot"),
    ("snapshotId", "AWS::EC2::Snapshot"),
    ("volumeId", "AWS::EC2::Volume"),
    ("groupId", "AWS::EC2::SecurityGroup"),
    ("instanceProfileName", "AWS::IAM::InstanceProfile"),
    ("roleName", "AWS::IAM::Role"),
    ("roleArn", "AWS::IAM::Role"),
    ("userName", "AWS::IAM::User"),
    ("groupName", "AWS::IAM::Group"),
    ("policyArn", "AWS::IAM::Policy"),
    ("trailName", "AWS::CloudTrail::Trail"),
    ("routeTableId", "AWS::EC2::RouteTable"),
    ("internetGatewayId", "AWS::EC2::InternetGateway"),
    ("subnetId", "AWS::EC2::Subnet"),
    ("vpcId", "AWS::EC2::VPC"),
    ("guardrailIdentifier", "AWS::Bedrock::Guardrail"),
    ("resourceArn", ""),
    ("resourceId", ""),
    ("name", ""),
];

/// Fills the event from a record.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let record: Record<'_> = json::parse(record)?;
    // Logstash moves the time of every record there.
    let time = match record.event_time.time("eventTime")? {
        Some(time) => Some(time),
        None => record.timestamp.time("@timestamp")?,
    };
    event.time = time.ok_or_else(|| Error::invalid("eventTime: is missing"))?;
    fill(
        event,
        [
            (Field::TraceId, "eventID", record.event_id),
            (Field::Source, "eventSource", record.event_source),
            (Field::EventName, "eventName", record.event_name),
            (Field::SourceIp, "sourceIPAddress", record.source_ip),
            (Field::RequestId, "requestID", record.request_id),
            (Field::Code, "errorCode", record.error_code),
            (Field::ApiVersion, "apiVersion", record.api_version),
            (Field::Region, "awsRegion", record.aws_region),
        ],
    )?;
    event.read_only = record.read_only.flag();
    fill_insight(record.insight_details, event)?;
    fill_kinds(&record, event)?;
    fill_identity(&record, event)?;
    event.relate(
        "account",
        record.recipient_account_id.text("recipientAccountId")?.unwrap_or_default(),
    );
    fill_resource(&record, event)?;
    event.relate("shared_event", record.shared_event_id.text("sharedEventID")?.unwrap_or_default());
    Ok(())
}

fn fill_kinds(record: &Record<'_>, event: &mut Event) -> Result<()> {
    let data = match record.event_category.text("eventCategory")?.as_deref() {
        Some(category) => category.eq_ignore_ascii_case("data"),
        None => record.management_event.flag() == Some(false),
    };
    event.set(Field::EventType, if data { "data" } else { "system" });
    let failed = has_failed(record)?;
    event.set(Field::Level, if failed { "warning" } else { "normal" });
    let trace_type = record.event_type.text("eventType")?.map(|text| match text.as_ref() {
        "AwsApiCall" => "ApiCall",
        "AwsConsoleSignIn" | "AwsConsoleAction" => "ConsoleAction",
        "AwsServiceEvent" => "SystemAction",
        _ => "Others",
    });
    event.set_opt(Field::TraceType, trace_type);
    Ok(())
}

/// What an Insights event is about stands one level lower than in other events.
fn fill_insight(value: Loose<'_>, event: &mut Event) -> Result<()> {
    let Some(insight) = value.object::<Insight<'_>>("insightDetails")? else { return Ok(()) };
    fill(
        event,
        [
            (Field::Source, "insightDetails.eventSource", insight.event_source),
            (Field::EventName, "insightDetails.eventName", insight.event_name),
            (Field::Code, "insightDetails.errorCode", insight.error_code),
        ],
    )
}

/// Returns whether the call failed. Calls tell it by a code; a refused sign-in by a message alone,
/// or only by `"ConsoleLogin": "Failure"`, `"CheckMfa": "Failure"` in the response, or by
/// `"CredentialVerification": "Failure"` in the details of the service. Empty texts tell nothing.
/// An unusual rate of calls, which Insights reports, is no success either.
fn has_failed(record: &Record<'_>) -> Result<bool> {
    let told =
        record.error_code.text("errorCode")?.or(record.error_message.text("errorMessage")?);
    if told.is_some() || record.insight_details.is_object() {
        return Ok(true);
    }
    let is_sign_in = matches!(
        record.event_type.text("eventType")?.as_deref(),
        Some("AwsConsoleSignIn" | "AwsConsoleAction" | "AwsServiceEvent")
    );
    let details = [record.response_elements, record.service_event_details];
    Ok(is_sign_in && details.into_iter().any(names_a_failure))
}

fn names_a_failure(details: Loose<'_>) -> bool {
    let mut failed = false;
    if let Some(json) = details.embedded() {
        // Details are defined by each service: those that cannot be read tell nothing.
        let _ = json::each_member(&json, |_, value| {
            failed |= value.text_lossy().is_some_and(|text| text.eq_ignore_ascii_case("failure"));
        });
    }
    failed
}

fn fill_identity(record: &Record<'_>, event: &mut Event) -> Result<()> {
    let identity = record.user_identity.object::<Identity<'_>>("userIdentity")?;
    let Some(identity) = identity else { return Ok(()) };
    let person = directory_user(&identity)?;
    event.relate("user", person.as_deref().unwrap_or_default());
    let name = match identity.kind.text("userIdentity.type")?.as_deref() {
        Some("IdentityCenterUser") => name_in_directory(record)?.or(person),
        _ => None,
    };
    let name = match name {
        Some(name) => Some(name),
        None => operator(&identity).map_err(|error| error.at("userIdentity"))?,
    };
    event.set_opt(Field::Operator, name);
    event.set_opt(Field::AccessKeyId, identity.access_key_id.text("userIdentity.accessKeyId")?);
    event.relate(
        "principal",
        identity.principal_id.text("userIdentity.principalId")?.unwrap_or_default(),
    );
    event
        .relate("account", identity.account_id.text("userIdentity.accountId")?.unwrap_or_default());
    Ok(())
}

/// Returns the id of the user of a directory for whom the call was made.
fn directory_user<'a>(identity: &Identity<'a>) -> Result<Option<Cow<'a, str>>> {
    let session =
        identity.session_context.object::<Session<'_>>("sessionContext")?.unwrap_or_default();
    for user in [identity.on_behalf_of, session.on_behalf_of] {
        let user = user.object::<OnBehalfOf<'_>>("onBehalfOf")?.unwrap_or_default();
        if let Some(id) = user.user_id.text("onBehalfOf.userId")? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Returns the name that the user of a directory signed in with; only sign-ins have it.
fn name_in_directory<'a>(record: &Record<'a>) -> Result<Option<Cow<'a, str>>> {
    loose_object!(
        #[serde(rename_all = "PascalCase")]
        SignIn { user_name }
    );
    let data = record.additional_event_data;
    let sign_in = data.object::<SignIn<'_>>("additionalEventData")?.unwrap_or_default();
    sign_in.user_name.text("additionalEventData.UserName")
}

fn operator<'a>(identity: &Identity<'a>) -> Result<Option<Cow<'a, str>>> {
    let kind = identity.kind.text("type")?;
    let arn = identity.arn.text("arn")?;
    match kind.as_deref() {
        Some("Root") => return Ok(Some(Cow::Borrowed("root"))),
        Some("AssumedRole") => {
            let session = arn.as_deref().and_then(|arn| arn.split_once(":assumed-role/"));
            if let Some((_, session)) = session {
                return Ok(Some(Cow::Owned(session.to_owned())));
            }
        }
        Some("FederatedUser") => {
            if let Some((_, session)) =
                arn.as_deref().and_then(|arn| arn.split_once(":federated-user/"))
            {
                return Ok(Some(Cow::Owned(match issuer(identity)? {
                    Some(issuer) => format!("{issuer}/{session}"),
                    None => session.to_owned(),
                })));
            }
        }
        _ => {}
    }
    for name in [
        identity.user_name.text("userName")?,
        issuer(identity)?,
        identity.invoked_by.text("invokedBy")?,
    ] {
        if name.is_some() {
            return Ok(name);
        }
    }
    let principal = identity.principal_id.text("principalId")?;
    Ok(principal.or(arn).or(identity.account_id.text("accountId")?))
}

/// Returns the role or user whose permissions a session has.
fn issuer<'a>(identity: &Identity<'a>) -> Result<Option<Cow<'a, str>>> {
    let session =
        identity.session_context.object::<Session<'_>>("sessionContext")?.unwrap_or_default();
    let issuer = session.session_issuer.object::<Issuer<'_>>("sessionIssuer")?.unwrap_or_default();
    issuer.user_name.text("sessionIssuer.userName")
}

fn fill_resource(record: &Record<'_>, event: &mut Event) -> Result<()> {
    for item in record.resources.items().into_iter().take(RESOURCES_MAX) {
        let Some(resource) = item.object::<Resource<'_>>("resources")? else { continue };
        let arn = resource.arn.text("resources.ARN")?;
        event.relate("resource", arn.as_deref().unwrap_or_default());
        event.relate(
            "account",
            resource.account_id.text("resources.accountId")?.unwrap_or_default(),
        );
        if event.text(Field::ResourceId).is_none() {
            let id = arn.or(resource.arn_prefix.text("resources.ARNPrefix")?);
            let kind = resource.kind.text("resources.type")?;
            let kind = kind.or_else(|| id.as_deref().and_then(type_of).map(Cow::Borrowed));
            event.set_opt(Field::ResourceType, kind);
            event.set_opt(Field::ResourceName, id.as_deref().map(last_part));
            event.set_opt(Field::ResourceId, id);
        }
    }
    if event.text(Field::ResourceId).is_some() {
        return Ok(());
    }
    let mut best: Option<(usize, String)> = None;
    for parameters in [record.request_parameters, record.response_elements] {
        if let Some(json) = parameters.embedded() {
            best = best_parameter(&json, best);
        }
    }
    if let Some((rank, id)) = best {
        let (parameter, kind) = PARAMETERS[rank];
        event.set(
            Field::ResourceType,
            match (parameter, event.text(Field::Source)) {
                ("name", Some("cloudtrail.amazonaws.com")) => "AWS::CloudTrail::Trail",
                ("name", Some("ssm.amazonaws.com")) => "AWS::SSM::Parameter",
                _ => kind,
            },
        );
        event.set(Field::ResourceName, last_part(&id));
        event.set(Field::ResourceId, id);
    }
    Ok(())
}

/// Takes the parameter that best tells what the call acts on, unless a better one was found before.
fn best_parameter(json: &str, found: Option<(usize, String)>) -> Option<(usize, String)> {
    let mut best = found;
    // Parameters are defined by each service: those that cannot be parsed name no resource.
    let _ = json::each_member(json, |key, value| {
        let rank = PARAMETERS.iter().position(|(name, _)| *name == key);
        let Some(rank) = rank.filter(|rank| best.as_ref().is_none_or(|(known, _)| rank < known))
        else {
            return;
        };
        let id = if value.is_object() {
            first_instance(value)
        } else {
            value.text_lossy().map(Cow::into_owned)
        };
        if let Some(id) = id {
            best = Some((rank, id));
        }
    });
    best
}

/// Returns the instance in EC2's `{"items":[{"instanceId":"i-1"}]}`.
fn first_instance(set: Loose<'_>) -> Option<String> {
    loose_object!(Set { items });
    loose_object!(
        #[serde(rename_all = "camelCase")]
        Item { instance_id }
    );
    let set: Set<'_> = set.object("instancesSet").ok()??;
    let item: Item<'_> = set.items.items().first()?.object("items").ok()??;
    item.instance_id.text_lossy().map(Cow::into_owned)
}

/// Returns the resource type that an ARN implies, for services that leave it out of their events.
fn type_of(arn: &str) -> Option<&'static str> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    match (service, resource.split('/').next()?) {
        ("ssm", "parameter") => Some("AWS::SSM::Parameter"),
        ("ssm", "association") => Some("AWS::SSM::Association"),
        ("ec2", "instance") => Some("AWS::EC2::Instance"),
        _ => None,
    }
}

/// Returns what follows the last `/` or `:` of an ARN; any other text is returned as it is.
fn last_part(id: &str) -> &str {
    if !id.starts_with("arn:") {
        return id;
    }
    id.trim_end_matches(['/', '*']).rsplit(['/', ':']).next().unwrap_or(id)
}
