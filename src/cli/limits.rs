//! What `annals serve` is told of the limits of principals and tenants.

use crate::access::CallLimits;
use crate::api::ServerLimits;
use crate::error::{Error, Result};
use clap::Args;

#[derive(Debug, Clone, Args)]
pub(super) struct LimitArgs {
    /// Requests a second of each principal; 0 is no limit
    #[arg(long, value_name = "N/s", default_value = "0", value_parser = rate)]
    principal_requests: u32,
    /// Questions and exports of each principal at work at a time; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = questions())]
    principal_questions: u32,
    /// Bytes a second that each principal may send, such as 20MiB/s; 0 is no limit
    #[arg(long, value_name = "SIZE/s", default_value = "0", value_parser = rate)]
    principal_bytes_in: u32,
    /// Events a second in answers and exports to each principal; 0 is no limit
    #[arg(long, value_name = "N/s", default_value = "0", value_parser = rate)]
    principal_rows_out: u32,
    /// Questions a second about each tenant, and as many deliveries for it; 0 is no limit
    #[arg(long, value_name = "N/s", default_value = "0", value_parser = rate)]
    tenant_requests: u32,
    /// Questions and exports about each tenant at work at a time; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    tenant_questions: u32,
    /// Bytes a second of records of each tenant, such as 20MiB/s; 0 is no limit
    #[arg(long, value_name = "SIZE/s", default_value = "0", value_parser = rate)]
    tenant_bytes_in: u32,
    /// Events a second in answers and exports about each tenant; 0 is no limit
    #[arg(long, value_name = "N/s", default_value = "0", value_parser = rate)]
    tenant_rows_out: u32,
}

fn questions() -> u32 {
    ServerLimits::default().principal.questions.unwrap_or(0)
}

/// Reads a rate: a number, or a size with its unit, with or without `/s` behind it.
pub(super) fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit = units.iter().find_map(|(unit, bits)| Some((number.strip_suffix(unit)?, *bits)));
    let (number, bits) = unit.unwrap_or((number, 0));
    let value = number.trim().parse::<u64>().ok().and_then(|value| value.checked_mul(1 << bits));
    value.and_then(|value| u32::try_from(value).ok()).ok_or_else(|| {
        format!("is a number below {}, such as 200/s or 20MiB/s", u64::from(u32::MAX) + 1)
    })
}

impl LimitArgs {
    /// Returns the limits.
    ///
    /// # Errors
    /// A limit that lets nothing through.
    pub(super) fn limits(&self) -> Result<ServerLimits> {
        let limit = |value: u32| (value > 0).then_some(value);
        let limits = ServerLimits {
            principal: CallLimits {
                requests: limit(self.principal_requests),
                questions: limit(self.principal_questions),
                bytes_in: limit(self.principal_bytes_in),
                rows_out: limit(self.principal_rows_out),
            },
            tenant: CallLimits {
                requests: limit(self.tenant_requests),
                questions: limit(self.tenant_questions),
                bytes_in: limit(self.tenant_bytes_in),
                rows_out: limit(self.tenant_rows_out),
            },
        };
        let named = |flags: &str, error: Error| error.with_parameter(flags);
        limits.principal.check().map_err(|error| named("--principal-…", error))?;
        limits.tenant.check().map_err(|error| named("--tenant-…", error))?;
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn limits(words: &[&str]) -> Result<ServerLimits> {
        let words = [&["annals"], words].concat();
        Line::try_parse_from(words).expect("a command line").limits.limits()
    }

    #[test]
    fn rates_have_units_and_zero_is_no_limit() {
        for (text, expected) in
            [("0", 0), ("200", 200), ("200/s", 200), ("64KiB/s", 65_536), ("3 MiB", 3 << 20)]
        {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for wrong in ["", "/s", "-1", "1.5", "4GiB/s", "5m", "20MB/s", "99999999999999999999KiB"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(limits(&[]).expect("the defaults"), ServerLimits::default());
        let set = ["--principal-questions", "0", "--tenant-bytes-in", "1MiB/s"];
        let set = limits(&set).expect("limits");
        assert!(set.principal.is_empty() && set.tenant.bytes_in == Some(1 << 20));
        let low = limits(&["--tenant-bytes-in", "1"]).expect_err("it lets nothing through");
        assert!(low.to_string().contains("--tenant-") && low.to_string().contains("bytes_in"));
    }
}
