//! The actors: tenants, their operators, and the resources they currently have.
//!
//! Only the number of a resource is stored. Its id and names are derived from that, so a long
//! stream needs little memory.

use super::pick::{Dice, Weighted, mix};
use super::text::{push_hex_id, push_int, push_key_id, push_uuid_of};

/// Exponent of the tenants' sizes, in thousandths: with 200 tenants the largest has a fifth of all
/// records.
pub(super) const TENANT_EXPONENT_THOUSANDTHS: u32 = 1_100;
/// Exponent of the operators' activity within a tenant, in thousandths.
const OPERATOR_EXPONENT_THOUSANDTHS: u32 = 1_150;
/// Out of 10,000 records, those in the enterprise project "0", which every tenant has.
const DEFAULT_PROJECT_CHANCE: u32 = 7_200;

const REGIONS: &[&str] =
    &["cn-north-4", "cn-east-3", "cn-south-1", "cn-southwest-2", "ap-southeast-1"];
const COMPANIES: &[&str] = &[
    "chuangxin",
    "huaxia",
    "yunfan",
    "tianhe",
    "jinqiao",
    "landao",
    "xinghai",
    "ruida",
    "zhonglian",
    "beichen",
];
const SURNAMES: &[&str] = &[
    "wang", "li", "zhang", "liu", "chen", "yang", "zhao", "huang", "zhou", "wu", "xu", "sun", "hu",
    "zhu", "gao", "lin", "he", "guo", "ma", "luo",
];
const GIVEN: &[&str] = &[
    "wei", "fang", "na", "min", "jing", "lei", "jun", "yang", "yong", "yan", "jie", "juan", "tao",
    "ming", "chao", "xia", "ping", "gang", "hui", "peng",
];
const FEDERATED: &[&str] = &["张伟", "王芳", "李娜", "刘洋", "陈静", "杨帆", "赵敏", "黄磊"];
const SERVICES: &[&str] = &["svc-terraform", "svc-cicd", "svc-backup"];
const IP_BLOCKS: &[&str] = &["119.3.", "121.36.", "124.71.", "114.115.", "139.9.", "203.0."];

/// Operators below this index are programs, and the one just before it is a cloud service; from
/// here on they are people.
const FIRST_PERSON: u32 = 4;
/// The maximum number of a tenant's people who deal with money, partners and customers.
const OFFICERS_MAX: usize = 6;

/// How an operator accesses the cloud; this determines the trace type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperatorAccess {
    /// A program with a permanent key.
    Program,
    /// A person, mostly in the console.
    Person,
    /// A cloud service that acts for the tenant.
    Service,
}

/// A user, program or service that acts for a tenant.
#[derive(Debug)]
pub(super) struct GeneratedOperator {
    pub(super) access: OperatorAccess,
    pub(super) name: String,
    /// The user's id, 32 hexadecimal digits.
    pub(super) id: String,
    /// The trace's `user` member up to the value of `access_key_id`, which is always the same.
    pub(super) user: String,
    pub(super) key: u64,
    /// The addresses it comes from, the usual one first.
    pub(super) ips: [String; 3],
}

/// The resources of one kind that a tenant has now.
#[derive(Debug, Clone, Default)]
pub(super) struct ResourcePool {
    living: Vec<u32>,
    created: u32,
}

/// One tenant.
#[derive(Debug)]
pub(super) struct Tenant {
    /// The project id, 32 hexadecimal digits.
    pub(super) id: String,
    pub(super) key: u64,
    pub(super) region: &'static str,
    /// The name of the account.
    pub(super) domain: String,
    operators: Vec<GeneratedOperator>,
    operator_pick: Weighted,
    /// Enterprise projects besides "0".
    projects: [String; 3],
    pools: Vec<ResourcePool>,
    /// The maximum number of resources of one kind.
    pool_max: usize,
}

impl Tenant {
    /// Creates the tenant at `rank` by size, the largest being 0, with resources of `kinds` kinds.
    pub(super) fn new(seed: u64, rank: u32, kinds: usize) -> Self {
        let key = mix(mix(seed) ^ u64::from(rank));
        let company = COMPANIES[(key % COMPANIES.len() as u64) as usize];
        let mut domain = format!("{company}-");
        push_int(&mut domain, u64::from(rank) + 1);
        let account = made(|out| push_hex_id(out, key ^ 1));
        let count = FIRST_PERSON + 1 + 600 / (rank + 3);
        let operators: Vec<_> =
            (0..count).map(|index| operator(key, index, &account, &domain)).collect();
        Self {
            id: made(|out| push_hex_id(out, key)),
            key,
            region: REGIONS[(key >> 8) as usize % REGIONS.len()],
            operator_pick: Weighted::zipf(operators.len(), OPERATOR_EXPONENT_THOUSANDTHS),
            operators,
            projects: [2, 3, 4].map(|salt| made(|out| push_uuid_of(out, key ^ salt))),
            pools: vec![ResourcePool::default(); kinds],
            pool_max: (16_384 / (rank as usize + 1)).max(64),
            domain,
        }
    }

    /// Returns one of the operators; a few programs act most.
    pub(super) fn operator(&self, dice: &mut Dice) -> &GeneratedOperator {
        &self.operators[self.operator_pick.pick(dice)]
    }

    /// Returns one of the few people who deal with money, partners and customers.
    pub(super) fn person(&self, dice: &mut Dice) -> &GeneratedOperator {
        let people = self.officers();
        &people[dice.low(people.len() as u32) as usize]
    }

    /// Returns the people who deal with money, partners and customers: at least one.
    pub(super) fn officers(&self) -> &[GeneratedOperator] {
        let last = self.operators.len().min(FIRST_PERSON as usize + OFFICERS_MAX);
        &self.operators[FIRST_PERSON as usize..last]
    }

    /// Returns an enterprise project id, mostly "0".
    pub(super) fn project(&self, dice: &mut Dice) -> &str {
        if dice.chance(DEFAULT_PROJECT_CHANCE) { "0" } else { &self.projects[dice.low(3) as usize] }
    }

    /// Returns the key from which everything about resource `number` of `kind` is derived.
    pub(super) fn resource_key(&self, kind: usize, number: u32) -> u64 {
        mix(self.key ^ ((kind as u64) << 40) ^ (u64::from(number) + 1))
    }

    /// Creates a new resource of `kind`.
    pub(super) fn create(&mut self, kind: usize, dice: &mut Dice) -> u32 {
        let most = self.pool_max;
        let pool = self.pool(kind);
        if pool.living.len() >= most {
            // One that nobody uses any more makes room.
            let forgotten = dice.below(pool.living.len() as u32) as usize;
            pool.living.swap_remove(forgotten);
        }
        let number = pool.created;
        pool.created += 1;
        pool.living.push(number);
        number
    }

    /// Returns a live resource of `kind`; some are used far more than others.
    pub(super) fn existing(&mut self, kind: usize, dice: &mut Dice) -> u32 {
        let pool = self.pool(kind);
        pool.living[dice.low(pool.living.len() as u32) as usize]
    }

    /// Removes a resource of `kind`, preferably a young one: what has long been in use stays in
    /// use.
    pub(super) fn delete(&mut self, kind: usize, dice: &mut Dice) -> u32 {
        let pool = self.pool(kind);
        let count = pool.living.len() as u32;
        if count <= 2 {
            // The last ones are kept; one from before the start of the stream is removed instead.
            pool.created += 1;
            return pool.created - 1;
        }
        pool.living.swap_remove((count - 1 - dice.low(count)) as usize)
    }

    fn pool(&mut self, kind: usize) -> &mut ResourcePool {
        let initial = (self.pool_max / 32).max(4) as u32;
        let pool = &mut self.pools[kind];
        if pool.created == 0 {
            // A tenant existed before the stream began: it has resources already.
            pool.living.extend(0..initial);
            pool.created = initial;
        }
        pool
    }
}

fn operator(tenant: u64, index: u32, account: &str, domain: &str) -> GeneratedOperator {
    let key = mix(tenant ^ (u64::from(index) << 20) ^ 0x0b);
    let id = made(|out| push_hex_id(out, key));
    let person = tenant.wrapping_add(u64::from(index) * 7) % (SURNAMES.len() * GIVEN.len()) as u64;
    let (access, name, kind, urn) = match index {
        0..3 => {
            let name = SERVICES[index as usize].to_string();
            let urn = format!("iam::{account}:user:{name}");
            (OperatorAccess::Program, name, "User", urn)
        }
        3 => {
            let urn = format!("sts::{account}:assumed-agency:op_svc_cce/cce");
            (OperatorAccess::Service, format!("{domain}/op_svc_cce"), "AssumedAgency", urn)
        }
        _ if index % 9 == 8 => {
            let session = format!("{}{}", FEDERATED[person as usize % FEDERATED.len()], index / 9);
            let urn = format!("sts::{account}:external-user:corp-idp/{session}");
            (OperatorAccess::Person, format!("corp-idp/{session}"), "ExternalUser", urn)
        }
        _ => {
            // 7 shares no divisor with the number of pairs, so no two people of a tenant have the
            // same name.
            let name =
                format!("{}.{}", SURNAMES[person as usize % 20], GIVEN[person as usize / 20]);
            let urn = format!("iam::{account}:user:{name}");
            (OperatorAccess::Person, name, "User", urn)
        }
    };
    // The account's own user; CTS writes this boolean as a string.
    let root = if index == FIRST_PERSON { r#""principal_is_root_user":"true","# } else { "" };
    let account = format!(r#""domain":{{"id":"{account}","name":"{domain}"}}"#);
    let user = format!(
        r#""user":{{{account},"id":"{id}","name":"{name}","type":"{kind}","principal_urn":"{urn}",{root}"access_key_id":""#
    );
    GeneratedOperator { access, name, id, user, key, ips: addresses(tenant, key) }
}

/// Returns the office's address first, which all people of a tenant share with their neighbours,
/// and then two of the person's own.
fn addresses(tenant: u64, key: u64) -> [String; 3] {
    let office = made(|out| {
        push_block(out, tenant);
        push_int(out, 1 + key % 12);
    });
    let home = made(|out| {
        push_block(out, key);
        push_int(out, 1 + (key >> 40) % 254);
    });
    let mobile = if key.is_multiple_of(5) {
        format!(
            "2408:{:x}:{:x}::{:x}",
            0x4000 + (key >> 16) % 0x400,
            (key >> 32) % 0xffff,
            1 + (key >> 48) % 0xfff
        )
    } else {
        made(|out| {
            push_block(out, key >> 7);
            push_int(out, 1 + (key >> 48) % 254);
        })
    };
    [office, home, mobile]
}

fn push_block(out: &mut String, key: u64) {
    out.push_str(IP_BLOCKS[(key % IP_BLOCKS.len() as u64) as usize]);
    push_int(out, (key >> 8) % 256);
    out.push('.');
}

impl GeneratedOperator {
    /// Appends the id of the key used: a program's is permanent, a console session has its own for
    /// the day.
    pub(super) fn push_access_key(&self, day: i64, out: &mut String) {
        match self.access {
            OperatorAccess::Program => {
                out.push_str("HPUA");
                push_key_id(out, self.key);
            }
            OperatorAccess::Person | OperatorAccess::Service => {
                out.push_str("HSTA");
                push_key_id(out, self.key ^ day.unsigned_abs());
            }
        }
    }
}

fn made(push: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    push(&mut text);
    text
}
