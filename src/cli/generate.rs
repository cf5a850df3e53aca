//! `annals generate`.

use super::OK;
use crate::clock::{Clock, SystemClock};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::generate::{Plan, generate};
use clap::Args;
use std::io::BufWriter;

#[derive(Debug, Args)]
#[command(after_help = "\
The same arguments give the same bytes: on any day with --end, otherwise on the same day (UTC).

Example:
  annals generate --events 1000000 --seed 7 | annals ingest --data ./audit --tenant-from \
  project_id -")]
pub(super) struct GenerateArgs {
    /// Number of records
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    events: u64,
    /// Seed; another seed gives other records
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of tenants; the largest has about a fifth of the records
    #[arg(long, default_value_t = 200)]
    tenants: u32,
    /// Number of days that the records cover
    #[arg(long, default_value_t = 120)]
    days: u32,
    /// End of the period [default: the last midnight, UTC]
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
}

pub(super) fn run(args: &GenerateArgs) -> Result<u8> {
    let mut plan =
        Plan { events: args.events, seed: args.seed, tenants: args.tenants, ..Plan::default() };
    let end = match &args.end {
        Some(end) => Timestamp::parse(end)
            .map_err(|error| Error::parameter("--end", error.to_string()))?
            .millis(),
        // Questions about the last few days find something, and nothing lies in the future.
        None => SystemClock.now().millis().div_euclid(DAY_MS) * DAY_MS,
    };
    plan.days = args.days;
    plan.start_ms = end - i64::from(args.days) * DAY_MS;
    let mut out = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    generate(&plan, &mut out)
        .context(ErrorKind::Unavailable, || "cannot write to standard output".to_owned())?;
    Ok(OK)
}
