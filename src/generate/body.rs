//! The `request` and `response` of a trace: JSON inside a JSON text, so every quote in here is
//! written with its backslash.

use super::pick::Dice;
use super::tenant::Tenant;
use super::text::{push_amount, push_hex_id, push_int, push_long_decimal, push_uuid_of};
use super::vocabulary::{Effect, RequestShape, ResourceKind};

/// The resource of an operation, and the circumstances that its texts mention.
#[derive(Debug)]
pub(super) struct EventSubject<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) kind: &'a ResourceKind,
    pub(super) effect: Effect,
    /// The key that everything about the resource is derived from.
    pub(super) key: u64,
    /// Days since 1970, UTC.
    pub(super) day: i64,
}

/// Why a request was refused, or how a service failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The HTTP status.
    pub(super) code: &'static str,
    number: &'static str,
    message: &'static str,
}

/// Requests that were refused; permissions are the most frequent reason, as in life.
const REFUSALS: &[Failure] = &[
    Failure {
        code: "403",
        number: "0403",
        message: "Policy doesn't allow this action to be performed.",
    },
    Failure { code: "403", number: "0014", message: "权限不足,请联系管理员授权。" },
    Failure { code: "404", number: "0114", message: "The requested resource could not be found." },
    Failure { code: "400", number: "0005", message: "Invalid input for parameter name." },
    Failure {
        code: "409",
        number: "0319",
        message: "The resource status does not allow this operation.",
    },
    Failure { code: "429", number: "0429", message: "The throttling threshold has been reached." },
    Failure { code: "400", number: "0503", message: "Insufficient quota for this resource type." },
    Failure { code: "402", number: "0250", message: "余额不足。" },
];

/// Services that failed.
const BREAKDOWNS: &[Failure] = &[
    Failure { code: "500", number: "0999", message: "Internal server error." },
    Failure {
        code: "503",
        number: "0998",
        message: "Node failure: the host is down, the instance is being rebuilt.",
    },
    Failure { code: "500", number: "0997", message: "存储节点故障。" },
];

/// The failure of every refused sign-in.
pub(super) const WRONG_PASSWORD: Failure =
    Failure { code: "401", number: "0101", message: "The username or password is wrong." };

const PURPOSES: &[&str] = &[
    "scale out for release",
    "monthly patch window",
    "rollback after failed deploy",
    "created by pipeline",
    "cost clean-up",
    "capacity test",
    "华北生产集群扩容",
    "测试服务器回收",
    "双十一压测环境",
    "审计整改",
    "等保测评加固",
    "月度补丁",
];
const FLAVORS: &[&str] =
    &["s6.large.2", "s7.xlarge.2", "c7.2xlarge.4", "m7.xlarge.8", "p2s.2xlarge.8"];
const SIZES: &[&str] = &["40", "100", "200", "500", "1000"];
const VOLUME_TYPES: &[&str] = &["SSD", "GPSSD", "ESSD", "SAS"];

/// Draws why a request was refused.
pub(super) fn refusal(dice: &mut Dice) -> &'static Failure {
    &REFUSALS[dice.low(REFUSALS.len() as u32) as usize]
}

/// Draws how a service failed.
pub(super) fn breakdown(dice: &mut Dice) -> &'static Failure {
    &BREAKDOWNS[dice.low(BREAKDOWNS.len() as u32) as usize]
}

/// Appends the response text of a failed operation, between the quotes.
pub(super) fn push_failure(service: &str, failure: &Failure, out: &mut String) {
    for piece in [
        r#"{\"error_code\":\""#,
        service,
        ".",
        failure.number,
        r#"\",\"error_msg\":\""#,
        failure.message,
        r#"\"}"#,
    ] {
        out.push_str(piece);
    }
}

impl EventSubject<'_> {
    /// Appends the resource's id as its service writes ids.
    pub(super) fn push_id(&self, out: &mut String) {
        match self.kind.shape {
            RequestShape::Identity | RequestShape::Account => push_hex_id(out, self.key),
            // The name of a bucket is its only id.
            RequestShape::Bucket => self.push_name(out),
            RequestShape::Money => {
                out.push_str("CS");
                push_long_decimal(out, self.key);
            }
            _ => push_uuid_of(out, self.key),
        }
    }

    /// Appends the resource's name.
    pub(super) fn push_name(&self, out: &mut String) {
        let names = self.kind.names;
        out.push_str(names[(self.key >> 32) as usize % names.len()]);
        out.push('-');
        push_int(out, self.key % 10_000);
    }

    /// Appends the request text, between the quotes.
    pub(super) fn push_request(&self, dice: &mut Dice, out: &mut String) {
        match self.effect {
            Effect::Create => self.push_creation(dice, out),
            Effect::Update => {
                out.push_str(r#"{\"name\":\""#);
                self.push_name(out);
                self.push_purpose(dice, out);
                out.push('}');
            }
            Effect::Delete if dice.chance(2500) => {
                out.push_str(r#"{\"ids\":[\""#);
                self.push_id(out);
                self.push_purpose_after(r#"\"]"#, dice, out);
                out.push('}');
            }
            Effect::Session | Effect::FailedSession => {
                out.push_str(r#"{\"auth\":{\"scope\":{\"project\":{\"id\":\""#);
                out.push_str(&self.tenant.id);
                out.push_str(r#"\"}}}}"#);
            }
            Effect::Delete | Effect::Read => {}
        }
    }

    /// Appends the response text of a successful operation, between the quotes.
    pub(super) fn push_success(&self, dice: &mut Dice, out: &mut String) {
        match (self.effect, self.kind.shape) {
            (
                Effect::Create | Effect::Delete,
                RequestShape::Server | RequestShape::Volume | RequestShape::Cluster,
            ) => {
                out.push_str(r#"{\"job_id\":\""#);
                push_hex_id(out, dice.bits());
                out.push_str(r#"\",\"status\":\"SUCCESS\"}"#);
            }
            (Effect::Create, _) => {
                out.push_str(r#"{\"id\":\""#);
                self.push_id(out);
                out.push_str(r#"\"}"#);
            }
            (Effect::Read, _) => {
                out.push_str(r#"{\"count\":"#);
                push_int(out, u64::from(dice.low(500)));
                out.push('}');
            }
            _ => {}
        }
    }

    fn push_creation(&self, dice: &mut Dice, out: &mut String) {
        out.push_str(match self.kind.shape {
            RequestShape::Server => r#"{\"server\":{\"name\":\""#,
            RequestShape::Volume => r#"{\"volume\":{\"name\":\""#,
            RequestShape::Cluster => r#"{\"kind\":\"Cluster\",\"spec\":{\"name\":\""#,
            RequestShape::Bucket => r#"{\"bucket\":{\"name\":\""#,
            RequestShape::Identity => r#"{\"user\":{\"name\":\""#,
            _ => r#"{\"resource\":{\"name\":\""#,
        });
        self.push_name(out);
        out.push_str(r#"\","#);
        self.push_details(dice, out);
        self.push_purpose_after(r#"\"enabled\":true"#, dice, out);
        out.push_str("}}");
    }

    /// Appends the members that only this shape has, each followed by a comma.
    fn push_details(&self, dice: &mut Dice, out: &mut String) {
        match self.kind.shape {
            RequestShape::Server => {
                push_member(out, "flavorRef", dice.one(FLAVORS));
                out.push_str(r#"\"imageRef\":\""#);
                push_uuid_of(out, self.tenant.key ^ 0x1a9e_0000 ^ u64::from(dice.low(20)));
                out.push_str(r#"\",\"vpcid\":\""#);
                push_uuid_of(out, self.tenant.key ^ 0x7bc0_0000 ^ u64::from(dice.low(4)));
                out.push_str(r#"\",\"adminPass\":\"********\","#);
            }
            RequestShape::Volume => {
                push_member(out, "volume_type", dice.one(VOLUME_TYPES));
                out.push_str(r#"\"size\":"#);
                out.push_str(dice.one(SIZES));
                out.push(',');
            }
            RequestShape::Network => {
                out.push_str(r#"\"cidr\":\"10."#);
                push_int(out, u64::from(dice.below(256)));
                out.push_str(r#".0.0/16\",\"protocol\":\"tcp\","#);
            }
            RequestShape::Cluster => push_member(out, "flavor", "cce.s2.medium"),
            RequestShape::Bucket => push_member(out, "location", self.tenant.region),
            RequestShape::Money => {
                out.push_str(r#"\"currency\":\"CNY\",\"amount\":"#);
                push_amount(out, u64::from(dice.low(5_000_000)));
                out.push(',');
            }
            RequestShape::Identity | RequestShape::Account | RequestShape::Other => {
                push_member(out, "domain_name", &self.tenant.domain)
            }
        }
    }

    /// Ends a name's text and appends a description after it, often an empty one.
    fn push_purpose(&self, dice: &mut Dice, out: &mut String) {
        self.push_purpose_after(r#"\""#, dice, out);
    }

    /// Appends `before` and then a description: empty, or why this is done, often with the number
    /// of the ticket that asked for it.
    fn push_purpose_after(&self, before: &str, dice: &mut Dice, out: &mut String) {
        out.push_str(before);
        out.push_str(r#",\"description\":\""#);
        if dice.chance(5500) {
            if dice.chance(6000) {
                out.push_str(dice.one(&["CHG-", "INC-", "REQ-"]));
                // A handful of tickets a day in each tenant, so several records name the same.
                let today = self.tenant.key.wrapping_add(self.day.unsigned_abs() * 16);
                push_int(out, 10_000 + today.wrapping_add(u64::from(dice.low(16))) % 90_000);
                out.push(' ');
            }
            out.push_str(dice.one(PURPOSES));
        }
        out.push_str(r#"\""#);
    }
}

/// Appends a member whose value is a text, followed by a comma.
fn push_member(out: &mut String, name: &str, value: &str) {
    for piece in [r#"\""#, name, r#"\":\""#, value, r#"\","#] {
        out.push_str(piece);
    }
}
