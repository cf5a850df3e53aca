//! Generates realistic CTS traces and partner-centre records, for demos, benches and tests: the
//! same plan, the same bytes.
//!
//! ```text
//!  rhythm ─ when ─┐
//!  tenant ─ who ──┼─► trace + body ──► a CTS trace          ┐
//!  vocabulary     │                                         ├─► one line of NDJSON
//!    ─ what ──────┘   partner (state) ► partner_record ─────┘
//! ```
//!
//! What comes out, in per cent of all records. Tests hold the figures marked *; the others follow
//! from constants beside their use.
//!
//! | what | share | shape |
//! |---|---|---|
//! | CTS traces | ~ 90 * | `trace_id`, `time`, `record_time` (ms), `user` object, `request` and
//! `response` as JSON texts or `""` |
//! | … of them OBS data events | ~ 3 of the traces | `event_type` `data`, `trace_type` `ObsSDK` or
//! `ObsAPI`, the rest is `system` |
//! | … of them read-only | ~ 30 of the traces * | trace names that start with list, show or get |
//! | … level normal, warning, incident | 94, 5.5, 0.5 of the traces * | warning has a code 4xx,
//! incident 5xx, and both an `error_code` |
//! | quota grant and recall | ~ 2 | `QuotaRecord`, operation types 10 and 11 |
//! | coupon operations | ~ 6.5 | `CouponRecordV2`, operation types 1 to 9 * |
//! | adjust records | ~ 1 | `AdjustRecordV3`, grant, recall and `BEUNBIND` |
//! | budget records | ~ 0.5 | `BudgetRecordInfo`, `SETTING` and `DELETE` |
//! | largest tenant | 13 to 30 * | Zipf, exponent 1.1 |
//!
//! A trace has about 940 bytes, a partner record 370, a record of the stream 885.
//!
//! Partner flows hang together within a tenant: a quota is granted to a reseller, coupons are
//! issued from it to that reseller's customers, and each is recalled once. When a customer leaves,
//! an `applyUnbindOrSwitchCooperation` trace comes first and the recalls of the customer's coupons,
//! a `BEUNBIND` adjust record and a budget `DELETE` follow; all name the same customer.
//!
//! **Not as in real life**, on purpose: partner records carry `project_id` (the tenant), so that
//! `--tenant-from project_id` works on the whole stream; budget records also carry `id` and
//! `customer_id`, without which nothing could tell two of them apart.
//!
//! Records come in the order they would arrive. `time` follows that order, except for a few per
//! cent that are up to five minutes late.

mod body;
mod partner;
mod partner_record;
mod pick;
mod rhythm;
mod tenant;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod vocabulary;

use partner::{Book, FlowStep};
use pick::{Dice, Weighted, mix};
use rhythm::{Moment, Slots};
use std::collections::VecDeque;
use std::io::{self, Write};
use tenant::Tenant;
use text::Stamp;
use vocabulary::OperationCatalog;

/// The default seed of a [`Plan`].
const SEED_DEFAULT: u64 = 1;
/// The default number of tenants of a [`Plan`].
const TENANTS_DEFAULT: u32 = 200;
/// The default number of days of a [`Plan`].
const DAYS_DEFAULT: u32 = 120;
/// The end of the default period: 2026-06-30T00:00:00Z.
const END_DEFAULT_MS: i64 = 1_782_777_600_000;
const DAY_MS: i64 = 86_400_000;
/// The maximum number of tenants: the tables of more would not fit into the memory of a small
/// machine.
const TENANTS_MAX: u32 = 100_000;
/// Chance, in ten thousandths, that a record opens a step of a partner flow; with what follows an
/// unbind that makes about 10 %.
const PARTNER_CHANCE: u32 = 895;
/// When this many records wait to follow an unbind, they are written before anything else.
const PENDING_MAX: usize = 64;
/// Bytes gathered before they are handed to the writer.
const CHUNK_BYTES: usize = 256 * 1024;

/// What to generate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of records; default 100,000.
    pub events: u64,
    /// Seed of everything random; default 1.
    pub seed: u64,
    /// Number of tenants, from 1 to 100,000 (values outside are moved to the nearest); default 200.
    pub tenants: u32,
    /// Start of the period, milliseconds since 1970 UTC, in the years 1 to 9800; default: 120 days
    /// before 2026-06-30T00:00:00Z.
    pub start_ms: i64,
    /// Length of the period in days, from 1 to 36,500 (values outside are moved to the nearest);
    /// default 120.
    pub days: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            events: 100_000,
            seed: SEED_DEFAULT,
            tenants: TENANTS_DEFAULT,
            start_ms: END_DEFAULT_MS - i64::from(DAYS_DEFAULT) * DAY_MS,
            days: DAYS_DEFAULT,
        }
    }
}

/// Writes `plan.events` records as NDJSON: the same plan always gives the same bytes.
///
/// # Errors
/// Only the errors of `out`; what was written until then is a prefix of the stream.
pub fn generate(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let mut generator = Generator::new(plan);
    let mut chunk = String::with_capacity(CHUNK_BYTES + 8 * 1024);
    while generator.next_record(&mut chunk) {
        chunk.push('\n');
        if chunk.len() >= CHUNK_BYTES {
            out.write_all(chunk.as_bytes())?;
            chunk.clear();
        }
    }
    out.write_all(chunk.as_bytes())
}

/// Iterates over the records of a [`Plan`] without copying them, for benches and tests.
#[derive(Debug)]
pub struct Generator {
    dice: Dice,
    slots: Slots,
    /// Number of the record being made, from 0; its id is derived from it.
    serial: u64,
    id_salt: u64,
    tenants: Vec<Tenant>,
    tenant_pick: Weighted,
    vocabulary: OperationCatalog,
    /// One book per tenant, created at the tenant's first partner step.
    books: Vec<Option<Box<Book>>>,
    /// The steps that must still follow an unbind, oldest first: the tenant's index and the step.
    pending: VecDeque<(usize, FlowStep)>,
    stamp: Stamp,
    current: usize,
}

/// Everything about one record that does not depend on its kind.
#[derive(Debug, Clone, Copy)]
struct RecordContext {
    moment: Moment,
    /// The two halves of the record's unique id.
    id: (u64, u64),
}

impl Generator {
    /// Creates a generator at the start of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let count = plan.tenants.clamp(1, TENANTS_MAX);
        let vocabulary = OperationCatalog::new();
        let tenants: Vec<_> =
            (0..count).map(|rank| Tenant::new(plan.seed, rank, vocabulary.kinds.len())).collect();
        Self {
            dice: Dice::new(plan.seed),
            slots: Slots::new(plan.events, plan.start_ms, plan.days, plan.seed),
            serial: 0,
            id_salt: mix(plan.seed ^ 0x1d5a_17ed),
            tenant_pick: Weighted::zipf(tenants.len(), tenant::TENANT_EXPONENT_THOUSANDTHS),
            books: tenants.iter().map(|_| None).collect(),
            tenants,
            vocabulary,
            pending: VecDeque::new(),
            stamp: Stamp::default(),
            current: 0,
        }
    }

    /// Appends one record to `into`, without a newline. At the end, returns false and appends
    /// nothing.
    pub fn next_record(&mut self, into: &mut String) -> bool {
        let Some(moment) = self.slots.next(&mut self.dice) else { return false };
        let occasion = RecordContext { moment, id: unique_id(self.serial, self.id_salt) };
        self.serial += 1;
        // Every other record, so that what follows an unbind is seconds behind it and mixed with
        // other tenants' records.
        let follows = !self.pending.is_empty()
            && (self.pending.len() >= PENDING_MAX || self.dice.chance(5000));
        if follows && let Some((index, step)) = self.pending.pop_front() {
            self.current = index;
            self.write_step(&step, &occasion, into);
            return true;
        }
        self.current = self.tenant_pick.pick(&mut self.dice);
        if self.dice.chance(PARTNER_CHANCE) {
            let step = self.next_step();
            self.write_step(&step, &occasion, into);
        } else {
            trace::write_any(
                &mut self.tenants[self.current],
                &self.vocabulary,
                &occasion,
                &mut self.dice,
                into,
            );
        }
        true
    }

    /// Returns the tenant (`project_id`) of the last record; before the first, the largest tenant.
    pub fn tenant(&self) -> &str {
        &self.tenants[self.current].id
    }

    fn next_step(&mut self) -> FlowStep {
        let tenant = &self.tenants[self.current];
        let book = self.books[self.current].get_or_insert_with(|| Box::new(Book::new(tenant.key)));
        let (step, following) = book.next(&mut self.dice);
        self.pending.extend(following.into_iter().map(|later| (self.current, later)));
        step
    }

    fn write_step(&mut self, step: &FlowStep, occasion: &RecordContext, into: &mut String) {
        let tenant = &self.tenants[self.current];
        match step {
            FlowStep::Association(leaving) => {
                trace::write_association(tenant, leaving, occasion, &mut self.dice, into)
            }
            FlowStep::Record(record) => {
                partner_record::write(tenant, record, occasion, &mut self.stamp, into)
            }
        }
    }
}

/// Returns the two halves of the id of record `serial`. They are unique, because the first 60 bits
/// and 4 more are a permutation of the number.
fn unique_id(serial: u64, salt: u64) -> (u64, u64) {
    let permuted = mix(serial.wrapping_add(salt));
    // A uuid keeps four bits of the first half for its version, so these four go to the second
    // half, below its two variant bits.
    let first = permuted;
    let lost = (permuted >> 12) & 0xf;
    let second = (mix(permuted ^ salt) & 0x03ff_ffff_ffff_ffff) | (lost << 58);
    (first, second)
}
