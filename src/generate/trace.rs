//! CTS traces in the form of 2024 and later.

use super::RecordContext;
use super::body::{self, EventSubject, Failure};
use super::partner::Leaving;
use super::pick::Dice;
use super::tenant::{GeneratedOperator, OperatorAccess, Tenant};
use super::text::{push_amount, push_hex_id, push_int, push_millis, push_uuid, push_uuid_of};
use super::vocabulary::{Effect, OperationCatalog, RequestShape};

const DAY_MS: i64 = 86_400_000;
/// Out of 10,000 traces, those about data rather than management.
const DATA_CHANCE: u32 = 300;
/// Out of 10,000 traces, those of level incident.
const INCIDENT_CHANCE: u32 = 50;
/// Out of 10,000 traces, those of level incident or warning; refused sign-ins add a few more
/// warnings.
const FAILURE_CHANCE: u32 = 595;

const AGENTS: &[&str] =
    &["obsutil/5.5.12", "huaweicloud-sdk-java/3.1.97", "python-obs/3.24.3", "rclone/v1.66"];
const FOLDERS: &[&str] = &[
    "logs/nginx/",
    "backup/mysql/",
    "media/img/",
    "dw/orders/dt=2026/",
    "报表/月度/",
    "models/v3/",
];
const SUFFIXES: &[&str] = &[".gz", ".parquet", ".jpg", ".sql.zst", ".csv"];
const OBJECT_NAMES: &[(&str, bool)] = &[
    ("getObject", true),
    ("putObject", false),
    ("getObject", true),
    ("deleteObject", false),
    ("listObjects", true),
    ("copyObject", false),
];

/// Appends one trace of any operation of the vocabulary, and changes the tenant's resources
/// accordingly.
pub(super) fn write_any(
    tenant: &mut Tenant,
    vocabulary: &OperationCatalog,
    occasion: &RecordContext,
    dice: &mut Dice,
    out: &mut String,
) {
    if dice.chance(DATA_CHANCE) {
        return write_data(tenant, occasion, dice, out);
    }
    let index = vocabulary.pick(dice);
    let kind = &vocabulary.kinds[index];
    let operation = kind.operation(dice);
    let failure = draw_failure(operation.effect, dice);
    let number = match operation.effect {
        // A failed operation changed nothing; a refused creation names the resource it would have
        // created.
        Effect::Create if failure.is_none() => tenant.create(index, dice),
        Effect::Create => u32::MAX - dice.below(1 << 20),
        Effect::Delete if failure.is_none() => tenant.delete(index, dice),
        _ => tenant.existing(index, dice),
    };
    let key = tenant.resource_key(index, number);
    let tenant = &*tenant;
    // Programs build servers; they do not deal with invoices and customers.
    let by_person = matches!(kind.shape, RequestShape::Money | RequestShape::Account);
    let operator = if by_person { tenant.person(dice) } else { tenant.operator(dice) };
    let day = occasion.moment.time.div_euclid(DAY_MS);
    let subject = EventSubject { tenant, kind, effect: operation.effect, key, day };

    push_head(occasion, out);
    out.push_str(&operation.fixed);
    push_level(failure, out);
    push_origin(operator, dice, out);
    out.push_str(r#","event_type":"system","tracker_name":"system""#);
    push_tenant(tenant, dice, out);
    out.push_str(r#","resource_id":""#);
    if matches!(operation.effect, Effect::Session | Effect::FailedSession) {
        out.push_str(&operator.id);
        out.push_str(r#"","resource_name":""#);
        out.push_str(&operator.name);
    } else {
        subject.push_id(out);
        out.push_str(r#"","resource_name":""#);
        subject.push_name(out);
    }
    out.push_str(r#"","#);
    push_user(operator, day, out);
    out.push_str(r#","code":""#);
    out.push_str(
        failure.map_or_else(|| success_code(operation.effect, dice), |failure| failure.code),
    );
    out.push_str(r#"","request":""#);
    subject.push_request(dice, out);
    out.push_str(r#"","response":""#);
    match failure {
        Some(failure) => body::push_failure(kind.service, failure, out),
        None => subject.push_success(dice, out),
    }
    out.push('"');
    if dice.chance(1500) {
        out.push_str(r#","operation_id":""#);
        out.push_str(&operation.operation_id);
        out.push('"');
    }
    push_request_id(dice, out);
}

/// Appends the trace of a customer who leaves, or whose association with the partner changes its
/// mode.
pub(super) fn write_association(
    tenant: &Tenant,
    leaving: &Leaving,
    occasion: &RecordContext,
    dice: &mut Dice,
    out: &mut String,
) {
    let operator = tenant.person(dice);
    push_head(occasion, out);
    out.push_str(r#""trace_name":"applyUnbindOrSwitchCooperation","service_type":"PartnerCenter","resource_type":"csbchannelsales","#);
    out.push_str(r#""api_version":"v2","read_only":false"#);
    push_level(None, out);
    push_origin(operator, dice, out);
    out.push_str(r#","event_type":"system","tracker_name":"system""#);
    push_tenant(tenant, dice, out);
    out.push_str(r#","resource_id":""#);
    push_hex_id(out, leaving.customer.key);
    out.push_str(r#"","resource_name":""#);
    leaving.customer.push_name(out);
    out.push_str(r#"","#);
    push_user(operator, occasion.moment.time.div_euclid(DAY_MS), out);
    out.push_str(r#","code":"200","request":"{\"customer_id\":\""#);
    push_hex_id(out, leaving.customer.key);
    out.push_str(r#"\",\"apply_type\":\""#);
    out.push_str(if leaving.switches { "SWITCH" } else { "UNBIND" });
    out.push_str(r#"\",\"indirect_partner_id\":\""#);
    push_hex_id(out, leaving.reseller);
    out.push_str(r#"\",\"coupon_amount\":"#);
    push_amount(out, leaving.amount);
    out.push_str(r#",\"reason\":\""#);
    out.push_str(dice.one(&["客户申请解绑", "关联模式变更", "contract ended", "客户更换伙伴"]));
    out.push_str(r#"\"}","response":"{\"apply_id\":\""#);
    push_uuid_of(out, leaving.customer.key ^ 0xa1);
    out.push_str(r#"\"}""#);
    push_request_id(dice, out);
}

/// Appends the trace of an access to an object in a bucket.
fn write_data(tenant: &Tenant, occasion: &RecordContext, dice: &mut Dice, out: &mut String) {
    let operator = tenant.operator(dice);
    let (name, read_only) = OBJECT_NAMES[dice.low(OBJECT_NAMES.len() as u32) as usize];
    let failure = draw_failure(Effect::Update, dice);
    push_head(occasion, out);
    out.push_str(r#""trace_name":""#);
    out.push_str(name);
    out.push_str(
        r#"","service_type":"OBS","resource_type":"object","api_version":"v1","read_only":"#,
    );
    out.push_str(if read_only { "true" } else { "false" });
    push_level(failure, out);
    out.push_str(if dice.chance(6000) {
        r#","trace_type":"ObsSDK""#
    } else {
        r#","trace_type":"ObsAPI""#
    });
    push_source_ip(operator, dice, out);
    out.push_str(r#","event_type":"data","tracker_name":"obs-data""#);
    push_tenant(tenant, dice, out);
    out.push_str(r#","resource_id":"dw-raw-"#);
    push_int(out, tenant.key % 10_000 + u64::from(dice.low(4)));
    out.push_str(r#"","resource_name":""#);
    out.push_str(dice.one(FOLDERS));
    out.push_str("part-");
    push_int(out, u64::from(dice.low(20_000)));
    out.push_str(dice.one(SUFFIXES));
    out.push_str(r#"","#);
    push_user(operator, occasion.moment.time.div_euclid(DAY_MS), out);
    out.push_str(r#","user_agent":""#);
    out.push_str(dice.one(AGENTS));
    out.push_str(r#"","content_length":"#);
    push_int(out, u64::from(dice.low(1 << 26)));
    out.push_str(r#","total_time":"#);
    push_int(out, 2 + u64::from(dice.low(2_000)));
    out.push_str(r#","code":""#);
    out.push_str(
        failure.map_or(if name == "deleteObject" { "204" } else { "200" }, |failure| failure.code),
    );
    out.push_str(r#"","request":"","response":""#);
    if let Some(failure) = failure {
        body::push_failure("OBS", failure, out);
    }
    out.push('"');
    push_request_id(dice, out);
}

fn draw_failure(effect: Effect, dice: &mut Dice) -> Option<&'static Failure> {
    let roll = dice.below(10_000);
    match effect {
        Effect::FailedSession => Some(&body::WRONG_PASSWORD),
        _ if roll < INCIDENT_CHANCE => Some(body::breakdown(dice)),
        _ if roll < FAILURE_CHANCE => Some(body::refusal(dice)),
        _ => None,
    }
}

fn success_code(effect: Effect, dice: &mut Dice) -> &'static str {
    match effect {
        Effect::Create => dice.one(&["200", "201", "202"]),
        Effect::Delete => dice.one(&["204", "204", "202", "200"]),
        Effect::Session => "201",
        Effect::Update | Effect::Read | Effect::FailedSession => "200",
    }
}

fn push_head(occasion: &RecordContext, out: &mut String) {
    out.push_str(r#"{"trace_id":""#);
    push_uuid(out, occasion.id);
    out.push_str(r#"","time":"#);
    push_millis(out, occasion.moment.time);
    out.push_str(r#","record_time":"#);
    push_millis(out, occasion.moment.recorded);
    out.push(',');
}

fn push_level(failure: Option<&Failure>, out: &mut String) {
    out.push_str(match failure {
        None => r#","trace_rating":"normal""#,
        Some(failure) if failure.code.starts_with('5') => r#","trace_rating":"incident""#,
        Some(_) => r#","trace_rating":"warning""#,
    });
}

/// Appends the trace type and the address it came from.
fn push_origin(operator: &GeneratedOperator, dice: &mut Dice, out: &mut String) {
    let roll = dice.below(10_000);
    out.push_str(match operator.access {
        OperatorAccess::Service => r#","trace_type":"SystemAction""#,
        _ if roll < 150 => r#","trace_type":"Others""#,
        OperatorAccess::Person if roll < 8000 => r#","trace_type":"ConsoleAction""#,
        OperatorAccess::Program | OperatorAccess::Person => r#","trace_type":"ApiCall""#,
    });
    push_source_ip(operator, dice, out);
}

fn push_source_ip(operator: &GeneratedOperator, dice: &mut Dice, out: &mut String) {
    out.push_str(r#","source_ip":""#);
    // A cloud service acts from inside, so CTS names no address.
    if operator.access != OperatorAccess::Service {
        out.push_str(&operator.ips[dice.low(3) as usize]);
    }
    out.push('"');
}

fn push_tenant(tenant: &Tenant, dice: &mut Dice, out: &mut String) {
    out.push_str(r#","project_id":""#);
    out.push_str(&tenant.id);
    out.push_str(r#"","enterprise_project_id":""#);
    out.push_str(tenant.project(dice));
    out.push('"');
}

fn push_user(operator: &GeneratedOperator, day: i64, out: &mut String) {
    out.push_str(&operator.user);
    operator.push_access_key(day, out);
    out.push_str(r#""}"#);
}

/// Appends the request id, which some services leave as the word null, and the end of the trace.
fn push_request_id(dice: &mut Dice, out: &mut String) {
    out.push_str(r#","request_id":""#);
    if dice.chance(400) {
        out.push_str("null");
    } else {
        push_uuid_of(out, dice.bits());
    }
    out.push_str(r#""}"#);
}
