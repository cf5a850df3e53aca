//! Operation records of Huawei Cloud's partner centre: quotas, coupons, accounts and budgets of
//! customers.
//!
//! The records do not name the operation, except by a number or word for its type; the event names
//! are our own:
//!
//! | record | resource type | event names |
//! |---|---|---|
//! | `QuotaRecord` | `couponQuota` | `grantCouponQuota`, `recallCouponQuota` |
//! | `CouponRecordV2` | `coupon` | `issueCoupon`, `recallCoupon`, `unbindRecallCoupon` …, see
//! [`COUPON_OPERATIONS`] |
//! | `AdjustRecordV3` | `account` | `grantAccountAmount`, `retrieveAccountAmount`,
//! `unbindRetrieveAccountAmount` |
//! | `AccountChangeRecord` | `account` | `accountChange…`, see [`ACCOUNT_CHANGES`]: the ledger's
//! line of an operation |
//! | `BudgetRecordInfo` | `budget` | `setCustomerBudget`, `deleteCustomerBudget` |
//! | `IssuedCouponQuota` | `couponQuota` | `couponQuotaState`: a state, not an operation |
//!
//! One filter answers each question about the partner centre: `related_ids=quota:ID` finds all
//! operations on a quota (and with `parent_quota:ID` those on quotas granted from it),
//! `related_ids=customer:ID` all that happened to a customer, and `related_ids=relation:unbind` all
//! that ended associations caused. The vendor counts a change of the association's mode among the
//! unbinds of accounts, so that filter includes those too.

use super::UNBIND;
use super::json::{self, Loose, fill, loose_object};
use crate::error::{Error, Result};
use crate::event::{Amount, Event, Field, Timestamp, clip};
use std::borrow::Cow;

loose_object!(Record {
    // quotas and coupons
    id,
    operator,
    operation_type,
    quota_id,
    parent_quota_id,
    coupon_id,
    amount,
    operation_amount,
    operation_time,
    result,
    indirect_partner_id,
    indirect_partner_account_name,
    indirect_partner_name,
    // states of quotas
    quota_value,
    quota_status,
    create_time,
    last_update_time,
    // accounts and budgets
    customer_id,
    customer_name,
    currency,
    measure_id,
    trans_id,
    account_change_id,
    trade_detail_type,
    trade_time,
    trade_id,
    change_amount,
    account_name,
    budget_amount,
    budget_type,
});

/// The source of every event decoded here, as CTS names the partner centre.
const SOURCE: &str = "PartnerCenter";

/// The event name of a record that states a quota's condition rather than an operation.
const QUOTA_STATE: &str = "couponQuotaState";
const QUOTA_OPERATIONS: &[(&str, &str)] =
    &[("10", "grantCouponQuota"), ("11", "recallCouponQuota")];

/// Operation types of coupons.
const COUPON_OPERATIONS: &[(&str, &str)] = &[
    ("1", "issueCoupon"),
    ("2", "recallCoupon"),
    ("3", UNBIND_RECALL),
    ("4", "expireRecallCoupon"),
    ("5", "unsubscribeRecallCoupon"),
    ("6", "refundRecallCoupon"),
    ("7", "associateRecallCoupon"),
    ("8", "switchModeRecallCoupon"),
    ("9", "transferRecallCoupon"),
];
const UNBIND_RECALL: &str = "unbindRecallCoupon";

/// Operation types of adjustments, without the prefix `SOURCE_OPERATION_`.
const ADJUSTMENTS: &[(&str, &str)] = &[
    ("BEADJUST", "grantAccountAmount"),
    ("BERETRIEVE", "retrieveAccountAmount"),
    ("BEUNBIND", UNBIND_RETRIEVE),
];
const UNBIND_RETRIEVE: &str = "unbindRetrieveAccountAmount";

const BUDGETS: &[(&str, &str)] = &[("SETTING", "setCustomerBudget"), ("DELETE", DELETE_BUDGET)];
const DELETE_BUDGET: &str = "deleteCustomerBudget";

/// Types of ledger lines, without the prefix `SOURCE_OPERATION_` in any of its spellings.
const ACCOUNT_CHANGES: &[(&str, &str)] = &[
    ("BEADJUST", "accountChangeGrant"),
    ("BERETRIEVE", "accountChangeRetrieve"),
    ("BEUNBIND", UNBIND_CHANGE),
    ("TRADEMODE_TRANSFER", "accountChangeAssociate"),
    ("TRADE_MODE_TRANSFER", "accountChangeAssociate"),
    ("RECHARGE", "accountChangeRecharge"),
    ("RECHARGE_REBATE", "accountChangeRechargeRebate"),
    ("DEDEUCT", "accountChangeDeduct"),
    ("DEDUCT", "accountChangeDeduct"),
    ("ONETIME", "accountChangeDeductOnce"),
    ("USAGE", "accountChangeDeductUsage"),
    ("RIDEDUCT", "accountChangeDeductReserved"),
    ("FREERESDEDUCT", "accountChangeDeductFreeResource"),
    ("PRECISIONCOMP", "accountChangeDeductPrecision"),
    ("WRITEOFF", "accountChangeWriteOff"),
    ("EXPIRECLEAR", "accountChangeExpire"),
    ("REFUND", "accountChangeRefund"),
    ("UNSUBSCRIBE", "accountChangeUnsubscribe"),
    ("UNFROZEN", "accountChangeRefundUnfreeze"),
    ("CLEARFROZEN", "accountChangeRefundClear"),
    ("RFROZEN", "accountChangeRefundFreeze"),
    ("MANUALFROZE", "accountChangeFreeze"),
    ("MANUALUNFROZE", "accountChangeUnfreeze"),
    ("MANUALCLEARFROZEN", "accountChangeClearFrozen"),
    ("SYSTEM_FROZEN", "accountChangeSystemFreeze"),
    ("SYSTEM_UNFROZEN", "accountChangeSystemUnfreeze"),
    ("TRANS", "accountChangeTransfer"),
    ("TRANS_TO_BALANCE", "accountChangeDepositToBalance"),
    ("TRANS_TO_FOREGIFT", "accountChangeBalanceToDeposit"),
    ("ADJUST", "accountChangeAdjust"),
    ("ADJUST_CREDIT", "accountChangeAdjustCredit"),
    ("BILLREFUND", "accountChangeBillRefund"),
    ("PRIZE", "accountChangePrize"),
    ("MERGE", "accountChangeMergeBonus"),
    ("CONVERT_BONUS", "accountChangeConvertBonus"),
    ("BONUSCONVERT", "accountChangeConvertBonus"),
    ("COUPONCANCEL", "accountChangeCancelCoupon"),
    ("COUPON_QUOTA_TRANSFER", "accountChangeToCouponQuota"),
    ("COUPON_QUOTA_RECLAIM", "accountChangeReclaimCoupon"),
];
const UNBIND_CHANGE: &str = "accountChangeUnbindRetrieve";

/// What distinguishes one kind of record from another.
struct PartnerRecordKind<'a> {
    resource_type: &'static str,
    event_name: &'static str,
    /// The key and value of the resource's id.
    resource_id: (&'static str, Loose<'a>),
    resource_name: [Loose<'a>; 2],
    amount: (&'static str, Loose<'a>),
    time: (&'static str, Loose<'a>),
    trace_id: Option<String>,
}

/// Fills the event from a record of any kind.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let record: Record<'_> = json::parse(record)?;
    let kind = kind_of(&record)?;
    event.set(Field::Source, SOURCE);
    event.set(Field::EventType, "system");
    event.set(Field::ResourceType, kind.resource_type);
    event.set(Field::EventName, kind.event_name);
    event.set_opt(Field::TraceId, kind.trace_id);
    event.set_opt(Field::ResourceId, kind.resource_id.1.text(kind.resource_id.0)?);
    for name in kind.resource_name.into_iter().rev() {
        event.set_opt(Field::ResourceName, name.text("name")?);
    }
    event.time = required_time(kind.time)?;
    event.read_only = (kind.event_name != QUOTA_STATE).then_some(false);
    fill(
        event,
        [
            (Field::Operator, "operator", record.operator),
            (Field::Currency, "currency", record.currency),
        ],
    )?;
    fill_amount(&record, kind.amount, event)?;
    fill_result(&record, event)?;
    relate(&record, event)
}

fn kind_of<'a>(record: &Record<'a>) -> Result<PartnerRecordKind<'a>> {
    // The key that identifies one kind never occurs in records of another, except that many name a
    // customer or a quota.
    if record.account_change_id.is_some() || record.trade_detail_type.is_some() {
        account_change(record)
    } else if record.budget_amount.is_some() || record.budget_type.is_some() {
        budget(record)
    } else if record.coupon_id.is_some() || record.operation_amount.is_some() {
        coupon(record)
    } else if record.trans_id.is_some() || record.customer_id.is_some() {
        adjustment(record)
    } else if record.quota_status.is_some() || record.quota_value.is_some() {
        Ok(quota_state(record))
    } else if record.quota_id.is_some() {
        quota(record)
    } else {
        Err(Error::invalid("names no quota, coupon, customer, account change or budget"))
    }
}

fn quota<'a>(record: &Record<'a>) -> Result<PartnerRecordKind<'a>> {
    Ok(PartnerRecordKind {
        resource_type: "couponQuota",
        event_name: named(QUOTA_OPERATIONS, "operation_type", record.operation_type)?.1,
        resource_id: ("quota_id", record.quota_id),
        resource_name: [record.indirect_partner_name, record.indirect_partner_account_name],
        amount: ("amount", record.amount),
        time: ("operation_time", record.operation_time),
        trace_id: prefixed("quota-record", "id", record.id)?,
    })
}

fn quota_state<'a>(record: &Record<'a>) -> PartnerRecordKind<'a> {
    let updated = record.last_update_time.is_some();
    PartnerRecordKind {
        resource_type: "couponQuota",
        event_name: QUOTA_STATE,
        resource_id: ("quota_id", record.quota_id),
        resource_name: [record.indirect_partner_name, record.indirect_partner_account_name],
        amount: ("quota_value", record.quota_value),
        time: if updated {
            ("last_update_time", record.last_update_time)
        } else {
            ("create_time", record.create_time)
        },
        // A quota has many states; a state that is read again has the same text.
        trace_id: None,
    }
}

fn coupon<'a>(record: &Record<'a>) -> Result<PartnerRecordKind<'a>> {
    Ok(PartnerRecordKind {
        resource_type: "coupon",
        event_name: named(COUPON_OPERATIONS, "operation_type", record.operation_type)?.1,
        resource_id: ("coupon_id", record.coupon_id),
        resource_name: [record.customer_name, Loose::default()],
        amount: ("operation_amount", record.operation_amount),
        time: ("operation_time", record.operation_time),
        trace_id: prefixed("coupon-record", "id", record.id)?,
    })
}

fn adjustment<'a>(record: &Record<'a>) -> Result<PartnerRecordKind<'a>> {
    let (operation, event_name) = named(ADJUSTMENTS, "operation_type", record.operation_type)?;
    let transaction = prefixed("adjust", "trans_id", record.trans_id)?;
    let customer = record.customer_id.text("customer_id")?.unwrap_or_default();
    Ok(PartnerRecordKind {
        resource_type: "account",
        event_name,
        resource_id: ("customer_id", record.customer_id),
        resource_name: [record.customer_name, Loose::default()],
        amount: ("amount", record.amount),
        time: ("operation_time", record.operation_time),
        // One transaction may adjust several customers.
        trace_id: transaction.map(|id| format!("{id}:{customer}:{operation}")),
    })
}

fn account_change<'a>(record: &Record<'a>) -> Result<PartnerRecordKind<'a>> {
    Ok(PartnerRecordKind {
        resource_type: "account",
        event_name: named(ACCOUNT_CHANGES, "trade_detail_type", record.trade_detail_type)?.1,
        resource_id: ("customer_id", record.customer_id),
        resource_name: [record.account_name, Loose::default()],
        amount: ("change_amount", record.change_amount),
        time: ("trade_time", record.trade_time),
        trace_id: prefixed("account-change", "account_change_id", record.account_change_id)?,
    })
}

fn budget<'a>(record: &Record<'a>) -> Result<PartnerRecordKind<'a>> {
    Ok(PartnerRecordKind {
        resource_type: "budget",
        event_name: named(BUDGETS, "operation_type", record.operation_type)?.1,
        // The vendor's record does not say whose budget it is, because the interface is asked for
        // one customer. Collectors add the id.
        resource_id: ("customer_id", record.customer_id),
        // Its only names are those of the partner, and not of the customer.
        resource_name: [record.customer_name, Loose::default()],
        amount: ("budget_amount", record.budget_amount),
        time: ("operation_time", record.operation_time),
        trace_id: prefixed("budget-record", "id", record.id)?,
    })
}

/// Returns the operation and the event name of an operation type, which may be a number and may
/// have a (misspelt) prefix.
fn named(
    names: &[(&'static str, &'static str)],
    key: &str,
    value: Loose<'_>,
) -> Result<(&'static str, &'static str)> {
    let text = value.text(key)?.ok_or_else(|| Error::invalid("is missing").at(key))?;
    // SOURCE_OPERATION_, SOURCE_OPERAIION_ and SOURCE_OPERATIION_ all occur.
    let bare = match text.strip_prefix("SOURCE_OPERA").and_then(|rest| rest.split_once('_')) {
        Some((_, bare)) => bare,
        None => &text,
    };
    let known = names.iter().find(|(operation, _)| *operation == bare);
    known.copied().ok_or_else(|| {
        Error::invalid(format!("{:?} is no known operation", clip(&text, 60))).at(key)
    })
}

/// Returns an id prefixed with the kind of record, because each interface numbers independently.
fn prefixed(kind: &str, key: &str, id: Loose<'_>) -> Result<Option<String>> {
    Ok(id.text(key)?.map(|id| format!("{kind}:{id}")))
}

fn required_time((key, value): (&str, Loose<'_>)) -> Result<Timestamp> {
    value.time_of_huawei(key)?.ok_or_else(|| Error::invalid("is missing").at(key))
}

fn fill_amount(
    record: &Record<'_>,
    (key, value): (&str, Loose<'_>),
    event: &mut Event,
) -> Result<()> {
    if let Some(text) = value.text(key)? {
        event.amount = Some(Amount::parse(&text).map_err(|error| error.at(key))?);
    }
    // Unit 1 is the yuan unless the record says otherwise.
    if event.text(Field::Currency).is_none()
        && record.measure_id.text("measure_id")?.as_deref() == Some("1")
    {
        event.set(Field::Currency, "CNY");
    }
    Ok(())
}

/// A record without a result describes something that was done.
fn fill_result(record: &Record<'_>, event: &mut Event) -> Result<()> {
    let status = record.quota_status.text("quota_status")?;
    let result = record.result.text("result")?;
    event.set_opt(
        Field::Level,
        match result.as_deref() {
            Some("0") | None => Some("normal"),
            Some("-1") => Some("warning"),
            Some(_) => None,
        },
    );
    event.set_opt(Field::Code, result.or(status));
    Ok(())
}

fn relate(record: &Record<'_>, event: &mut Event) -> Result<()> {
    let ids: [(&str, &str, Loose<'_>); 7] = [
        ("quota", "quota_id", record.quota_id),
        ("parent_quota", "parent_quota_id", record.parent_quota_id),
        ("coupon", "coupon_id", record.coupon_id),
        ("customer", "customer_id", record.customer_id),
        ("reseller", "indirect_partner_id", record.indirect_partner_id),
        ("transaction", "trans_id", record.trans_id),
        ("trade", "trade_id", record.trade_id),
    ];
    for (kind, key, value) in ids {
        event.relate(kind, value.text(key)?.unwrap_or(Cow::Borrowed("")));
    }
    if matches!(
        event.text(Field::EventName),
        Some(UNBIND_RECALL | UNBIND_RETRIEVE | UNBIND_CHANGE | DELETE_BUDGET)
    ) {
        event.relate(UNBIND.0, UNBIND.1);
    }
    Ok(())
}
