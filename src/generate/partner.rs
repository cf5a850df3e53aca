//! What happens between a partner, its resellers and their customers: each step follows from what a
//! tenant's [`Book`] says now.
//!
//! Invariants: a coupon is issued from a living quota with enough left, to a customer of that
//! quota's reseller; it is recalled at most once, for its full amount; what failed (result -1)
//! changed nothing; a customer who left is never named again, except by what follows.

use super::pick::{Dice, Weighted, mix};
use super::text::push_int;

/// Amounts are kept in hundredths of a yuan.
const YUAN: u64 = 100;
/// Customers of each reseller.
const CUSTOMERS_EACH: usize = 8;
/// The maximum number of live quotas and coupons of a tenant; beyond that something is recalled
/// first.
const QUOTAS_MAX: usize = 48;
const COUPONS_MAX: usize = 160;
/// The smallest face value; a quota with less left is used up.
const FACE_MIN: u64 = 50 * YUAN;
const FACES: &[u64] = &[
    100 * YUAN,
    200 * YUAN,
    500 * YUAN,
    50 * YUAN,
    1_000 * YUAN,
    128 * YUAN + 50,
    2_000 * YUAN,
    366 * YUAN + 66,
];
/// Out of 10,000 operations on quotas and coupons, those that failed.
const FAILED_CHANCE: u32 = 150;

const CUSTOMER_NAMES: &[&str] = &[
    "华创科技",
    "蓝岛贸易",
    "星海软件",
    "锐达网络",
    "northwind",
    "天合医疗",
    "bluepeak",
    "金桥物流",
];

/// What can happen, and how often compared with the others.
const HAPPENINGS: &[(Happening, u64)] = &[
    (Happening::Grant, 150),
    (Happening::ReclaimQuota, 60),
    (Happening::Issue, 400),
    (Happening::Recall(CouponOperation::ManualRecall), 80),
    (Happening::Recall(CouponOperation::ExpiryRecall), 80),
    (Happening::Recall(CouponOperation::UnsubscribeRecall), 25),
    (Happening::Recall(CouponOperation::RefundCancel), 15),
    (Happening::Recall(CouponOperation::AssociationRecall), 10),
    (Happening::Transfer, 20),
    (Happening::AdjustGrant, 90),
    (Happening::AdjustRecall, 40),
    (Happening::SetBudget, 35),
    (Happening::Leave { switches: false }, 20),
    (Happening::Leave { switches: true }, 6),
];

#[derive(Debug, Clone, Copy)]
enum Happening {
    Grant,
    ReclaimQuota,
    Issue,
    Recall(CouponOperation),
    Transfer,
    AdjustGrant,
    AdjustRecall,
    SetBudget,
    Leave { switches: bool },
}

/// `operation_type` of a coupon record; the number is the vendor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CouponOperation {
    Issue = 1,
    ManualRecall = 2,
    UnbindRecall = 3,
    ExpiryRecall = 4,
    UnsubscribeRecall = 5,
    RefundCancel = 6,
    AssociationRecall = 7,
    SwitchRecall = 8,
    Transfer = 9,
}

/// A customer of a reseller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Customer {
    /// What its id and name are derived from.
    pub(super) key: u64,
}

impl Customer {
    /// Appends the customer's name.
    pub(super) fn push_name(self, out: &mut String) {
        out.push_str(CUSTOMER_NAMES[(self.key >> 40) as usize % CUSTOMER_NAMES.len()]);
        push_int(out, self.key % 1000);
    }
}

/// A quota of coupons that a reseller may issue; amounts here and below are in hundredths of a
/// yuan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) key: u64,
    pub(super) parent: u64,
    /// The reseller's key.
    pub(super) reseller: u64,
    reseller_place: usize,
    left: u64,
}

/// A coupon that a customer holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coupon {
    pub(super) key: u64,
    pub(super) quota: u64,
    pub(super) cash: bool,
    pub(super) customer: Customer,
    customer_place: usize,
    pub(super) amount: u64,
}

/// A customer who leaves, or whose association changes its mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    pub(super) customer: Customer,
    /// The reseller's key.
    pub(super) reseller: u64,
    /// True if the customer stays and only the mode of association changes.
    pub(super) switches: bool,
    /// All of the customer's coupons, which are recalled now.
    pub(super) amount: u64,
}

/// A customer's budget that is set, or deleted with the association.
#[derive(Debug, Clone, Copy)]
pub(super) struct CustomerBudget {
    pub(super) customer: Customer,
    pub(super) amount: u64,
    pub(super) deletes: bool,
}

/// One record of the partner centre.
#[derive(Debug, Clone, Copy)]
pub(super) enum PartnerRecord {
    Quota { quota: Quota, grants: bool, amount: u64, failed: bool },
    Coupon { coupon: Coupon, operation: CouponOperation, failed: bool },
    Adjust { customer: Customer, operation: &'static str, amount: u64 },
    Budget(CustomerBudget),
}

/// One step of a flow: a CTS trace or a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum FlowStep {
    Association(Leaving),
    Record(PartnerRecord),
}

/// The resellers, customers, quotas and coupons of one tenant.
#[derive(Debug)]
pub(super) struct Book {
    key: u64,
    made: u64,
    resellers: Vec<u64>,
    /// [`CUSTOMERS_EACH`] customers of the first reseller, then of the second, and so on.
    customers: Vec<Customer>,
    quotas: Vec<Quota>,
    coupons: Vec<Coupon>,
    happenings: Weighted,
}

impl Book {
    /// Creates the book of the tenant with this key, before anything has happened.
    pub(super) fn new(key: u64) -> Self {
        let count = 4 + mix(key) % 9;
        let weights: Vec<_> = HAPPENINGS.iter().map(|(_, weight)| *weight).collect();
        let mut book = Self {
            key,
            made: 0,
            resellers: Vec::new(),
            customers: Vec::new(),
            quotas: Vec::new(),
            coupons: Vec::new(),
            happenings: Weighted::new(&weights),
        };
        book.resellers = (0..count).map(|_| book.fresh()).collect();
        book.customers =
            (0..count as usize * CUSTOMERS_EACH).map(|_| Customer { key: book.fresh() }).collect();
        book
    }

    /// Returns the next step, and the steps that must follow it later.
    pub(super) fn next(&mut self, dice: &mut Dice) -> (FlowStep, Vec<FlowStep>) {
        let record = match HAPPENINGS[self.happenings.pick(dice)].0 {
            Happening::Grant => self.grant(dice),
            Happening::ReclaimQuota => self.reclaim(dice),
            Happening::Issue => self.issue(dice),
            Happening::Recall(operation) => self.recall(operation, dice),
            Happening::Transfer => self.transfer(dice),
            Happening::AdjustGrant => self.adjust("SOURCE_OPERATION_BEADJUST", dice),
            Happening::AdjustRecall => self.adjust("SOURCE_OPERATION_BERETRIEVE", dice),
            Happening::SetBudget => {
                let amount = u64::from(1 + dice.low(500)) * 100 * YUAN;
                PartnerRecord::Budget(CustomerBudget {
                    customer: self.customers[self.customer(dice)],
                    amount,
                    deletes: false,
                })
            }
            Happening::Leave { switches } if !self.coupons.is_empty() => {
                return self.leave(switches, dice);
            }
            Happening::Leave { .. } => self.issue(dice),
        };
        (FlowStep::Record(record), Vec::new())
    }

    fn grant(&mut self, dice: &mut Dice) -> PartnerRecord {
        if self.quotas.len() >= QUOTAS_MAX {
            return self.reclaim(dice);
        }
        let reseller_place = dice.low(self.resellers.len() as u32) as usize;
        let amount = u64::from(5 + dice.low(400)) * 1_000 * YUAN + u64::from(dice.below(4)) * 25;
        let quota = Quota {
            key: self.fresh(),
            parent: mix(self.key ^ u64::from(dice.low(3))),
            reseller: self.resellers[reseller_place],
            reseller_place,
            left: amount,
        };
        let failed = dice.chance(FAILED_CHANCE);
        if !failed {
            self.quotas.push(quota);
        }
        PartnerRecord::Quota { quota, grants: true, amount, failed }
    }

    /// Recalls what is left of a quota, preferably an old one.
    fn reclaim(&mut self, dice: &mut Dice) -> PartnerRecord {
        if self.quotas.is_empty() {
            return self.grant(dice);
        }
        let index = dice.low(self.quotas.len() as u32) as usize;
        let quota = self.quotas[index];
        let failed = dice.chance(FAILED_CHANCE);
        if !failed {
            self.quotas.remove(index);
        }
        PartnerRecord::Quota { quota, grants: false, amount: quota.left, failed }
    }

    fn issue(&mut self, dice: &mut Dice) -> PartnerRecord {
        if self.quotas.is_empty() {
            return self.grant(dice);
        }
        if self.coupons.len() >= COUPONS_MAX {
            return self.recall(CouponOperation::ExpiryRecall, dice);
        }
        let index = dice.low(self.quotas.len() as u32) as usize;
        let quota = self.quotas[index];
        let wanted = FACES[dice.low(FACES.len() as u32) as usize];
        let amount = if wanted <= quota.left { wanted } else { FACE_MIN };
        let customer_place =
            quota.reseller_place * CUSTOMERS_EACH + dice.low(CUSTOMERS_EACH as u32) as usize;
        let coupon = Coupon {
            key: self.fresh(),
            quota: quota.key,
            cash: dice.chance(1500),
            customer: self.customers[customer_place],
            customer_place,
            amount,
        };
        let failed = dice.chance(FAILED_CHANCE);
        if !failed {
            self.coupons.push(coupon);
            self.quotas[index].left -= amount;
            if self.quotas[index].left < FACE_MIN {
                self.quotas.remove(index);
            }
        }
        PartnerRecord::Coupon { coupon, operation: CouponOperation::Issue, failed }
    }

    /// Recalls a coupon. If it was issued in error or bought back, its amount returns to its quota,
    /// if that is still live.
    fn recall(&mut self, operation: CouponOperation, dice: &mut Dice) -> PartnerRecord {
        if self.coupons.is_empty() {
            return self.issue(dice);
        }
        let index = dice.low(self.coupons.len() as u32) as usize;
        let coupon = self.coupons[index];
        let failed = dice.chance(FAILED_CHANCE);
        if !failed {
            self.coupons.remove(index);
            if let Some(quota) = self.quotas.iter_mut().find(|quota| quota.key == coupon.quota) {
                quota.left += coupon.amount;
            }
        }
        PartnerRecord::Coupon { coupon, operation, failed }
    }

    /// Moves a coupon to another reseller; the customer keeps it.
    fn transfer(&mut self, dice: &mut Dice) -> PartnerRecord {
        if self.coupons.is_empty() {
            return self.issue(dice);
        }
        let coupon = self.coupons[dice.below(self.coupons.len() as u32) as usize];
        PartnerRecord::Coupon { coupon, operation: CouponOperation::Transfer, failed: false }
    }

    fn adjust(&mut self, operation: &'static str, dice: &mut Dice) -> PartnerRecord {
        let amount = u64::from(1 + dice.low(100_000)) * 10;
        PartnerRecord::Adjust { customer: self.customers[self.customer(dice)], operation, amount }
    }

    /// Lets a customer with coupons leave: first the trace, then the recall of each coupon, of the
    /// balance, and of the budget.
    fn leave(&mut self, switches: bool, dice: &mut Dice) -> (FlowStep, Vec<FlowStep>) {
        let chosen = self.coupons[dice.below(self.coupons.len() as u32) as usize];
        let (gone, kept) = self
            .coupons
            .drain(..)
            .partition(|coupon| coupon.customer_place == chosen.customer_place);
        self.coupons = kept;
        let gone: Vec<Coupon> = gone;
        let (customer, recalled) = (chosen.customer, gone.iter().map(|coupon| coupon.amount).sum());
        let reseller = self.resellers[chosen.customer_place / CUSTOMERS_EACH];
        let operation =
            if switches { CouponOperation::SwitchRecall } else { CouponOperation::UnbindRecall };
        let mut following: Vec<_> = gone
            .into_iter()
            .map(|coupon| {
                FlowStep::Record(PartnerRecord::Coupon { coupon, operation, failed: false })
            })
            .collect();
        if !switches {
            let balance = u64::from(1 + dice.low(100_000)) * 10;
            following.push(FlowStep::Record(PartnerRecord::Adjust {
                customer,
                operation: "SOURCE_OPERATION_BEUNBIND",
                amount: balance,
            }));
            let amount = u64::from(1 + dice.low(500)) * 100 * YUAN;
            following.push(FlowStep::Record(PartnerRecord::Budget(CustomerBudget {
                customer,
                amount,
                deletes: true,
            })));
            self.customers[chosen.customer_place] = Customer { key: self.fresh() };
        }
        (
            FlowStep::Association(Leaving { customer, reseller, switches, amount: recalled }),
            following,
        )
    }

    fn customer(&self, dice: &mut Dice) -> usize {
        dice.low(self.customers.len() as u32) as usize
    }

    /// Returns a key that nothing else in any book has.
    fn fresh(&mut self) -> u64 {
        self.made += 1;
        mix(self.key ^ (self.made << 8))
    }
}
