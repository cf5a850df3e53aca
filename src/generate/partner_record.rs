//! The partner centre's records as JSON: `QuotaRecord`, `CouponRecordV2`, `AdjustRecordV3` and
//! `BudgetRecordInfo` of the vendor's SDK.

use super::RecordContext;
use super::partner::{Coupon, CouponOperation, Customer, CustomerBudget, PartnerRecord, Quota};
use super::tenant::Tenant;
use super::text::{
    Stamp, push_amount, push_hex_id, push_int, push_long_decimal, push_uuid, push_uuid_of,
};

const RESELLER_NAMES: &[&str] =
    &["远航云服务", "eastgate", "诚信数码", "skyline", "博瑞信息", "harbor"];
const REMARKS: &[&str] =
    &["", "", "年度返利", "year end", "", "客户活动", "CHG-20318 补发", "", "promo Q2"];

/// Appends one record.
pub(super) fn write(
    tenant: &Tenant,
    record: &PartnerRecord,
    occasion: &RecordContext,
    stamp: &mut Stamp,
    out: &mut String,
) {
    match record {
        PartnerRecord::Quota { quota, grants, amount, failed } => {
            push_id("id", occasion, out);
            push_quota(tenant, quota, *grants, occasion, out);
            out.push_str(r#","amount":"#);
            push_amount(out, *amount);
            push_result(*failed, occasion, out);
        }
        PartnerRecord::Coupon { coupon, operation, failed } => {
            push_id("id", occasion, out);
            push_coupon(coupon, *operation, out);
            push_result(*failed, occasion, out);
        }
        PartnerRecord::Adjust { customer, operation, amount } => {
            push_id("trans_id", occasion, out);
            push_adjustment(*customer, operation, *amount, out);
        }
        PartnerRecord::Budget(budget) => {
            push_id("id", occasion, out);
            push_budget(tenant, budget, occasion, out);
        }
    }
    out.push_str(r#","operation_time":""#);
    stamp.push(out, occasion.moment.time);
    out.push_str(r#"","project_id":""#);
    out.push_str(&tenant.id);
    out.push_str(r#""}"#);
}

fn push_id(name: &str, occasion: &RecordContext, out: &mut String) {
    out.push_str(r#"{""#);
    out.push_str(name);
    out.push_str(r#"":""#);
    push_uuid(out, occasion.id);
    out.push('"');
}

fn push_quota(
    tenant: &Tenant,
    quota: &Quota,
    grants: bool,
    occasion: &RecordContext,
    out: &mut String,
) {
    out.push_str(r#","operator":""#);
    out.push_str(person(tenant, occasion));
    out.push_str(if grants {
        r#"","operation_type":"10","quota_id":""#
    } else {
        r#"","operation_type":"11","quota_id":""#
    });
    push_long_decimal(out, quota.key);
    out.push_str(r#"","parent_quota_id":""#);
    push_long_decimal(out, quota.parent);
    out.push_str(r#"","indirect_partner_id":""#);
    push_hex_id(out, quota.reseller);
    out.push_str(r#"","indirect_partner_account_name":"reseller_"#);
    push_int(out, quota.reseller % 100_000);
    out.push_str(r#"","indirect_partner_name":""#);
    out.push_str(RESELLER_NAMES[(quota.reseller >> 40) as usize % RESELLER_NAMES.len()]);
    out.push('"');
}

fn push_coupon(coupon: &Coupon, operation: CouponOperation, out: &mut String) {
    out.push_str(r#","operation_type":""#);
    push_int(out, operation as u64);
    out.push_str(r#"","quota_id":""#);
    push_long_decimal(out, coupon.quota);
    out.push_str(if coupon.cash {
        r#"","quota_type":1,"coupon_id":""#
    } else {
        r#"","quota_type":0,"coupon_id":""#
    });
    push_uuid_of(out, coupon.key);
    out.push_str(r#"","customer_id":""#);
    push_hex_id(out, coupon.customer.key);
    out.push_str(r#"","operation_amount":"#);
    push_amount(out, coupon.amount);
}

fn push_adjustment(customer: Customer, operation: &str, amount: u64, out: &mut String) {
    out.push_str(r#","customer_id":""#);
    push_hex_id(out, customer.key);
    out.push_str(r#"","customer_name":""#);
    customer.push_name(out);
    out.push_str(r#"","operation_type":""#);
    out.push_str(operation);
    // The vendor's model has this amount as a text, unlike the others.
    out.push_str(r#"","amount":""#);
    push_amount(out, amount);
    out.push_str(r#"","currency":"CNY","apply_scene":"","measure_id":1,"memo":"""#);
}

fn push_budget(
    tenant: &Tenant,
    budget: &CustomerBudget,
    occasion: &RecordContext,
    out: &mut String,
) {
    out.push_str(r#","customer_id":""#);
    push_hex_id(out, budget.customer.key);
    out.push_str(r#"","budget_amount":"#);
    push_amount(out, budget.amount);
    out.push_str(if budget.deletes {
        r#","operation_type":"DELETE","operator":""#
    } else {
        r#","operation_type":"SETTING","operator":""#
    });
    // An unbind deletes the budget by itself.
    out.push_str(if budget.deletes { "system" } else { person(tenant, occasion) });
    out.push_str(r#"","budget_type":"MONTHLY","partner_corp_name":""#);
    out.push_str(&tenant.domain);
    out.push_str(r#"","partner_account_name":""#);
    out.push_str(&tenant.domain);
    out.push('"');
}

fn push_result(failed: bool, occasion: &RecordContext, out: &mut String) {
    out.push_str(if failed {
        r#","result":"-1","remark":""#
    } else {
        r#","result":"0","remark":""#
    });
    let remark = REMARKS[(occasion.id.0 >> 32) as usize % REMARKS.len()];
    out.push_str(if failed { "额度不足" } else { remark });
    out.push('"');
}

/// One of the tenant's people: programs and services do not grant quotas.
fn person<'a>(tenant: &'a Tenant, occasion: &RecordContext) -> &'a str {
    let people = tenant.officers();
    &people[occasion.id.0 as usize % people.len()].name
}
