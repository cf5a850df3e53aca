//! Signals that ask a command to stop, for commands that leave something to clear away.

use crate::error::{Context, ErrorKind, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The bit of SIGHUP in a mask of signals.
const HANG_UP_BIT: u64 = 1;

/// Catches SIGINT, SIGTERM and SIGHUP from now on. What is returned turns true with the first one.
pub(super) fn listen(runtime: &Runtime) -> Result<watch::Receiver<bool>> {
    let _inside = runtime.enter();
    let caught = |kind| {
        signal(kind).context(ErrorKind::Unavailable, || "cannot listen for signals".to_owned())
    };
    let (mut interrupted, mut terminated) =
        (caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?);
    // Under nohup, a command outlives its terminal: catching the signal would undo that.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut hung_up =
        if ignores_hang_up(&status) { None } else { Some(caught(SignalKind::hangup())?) };
    let (stopping, told) = watch::channel(false);
    runtime.spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
            () = received(&mut hung_up) => {}
        }
        stopping.send_replace(true);
    });
    Ok(told)
}

/// Completes when the signal arrives; never if it is not caught.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Returns whether a process with this `/proc/PID/status` ignores SIGHUP.
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & HANG_UP_BIT != 0)
}

#[cfg(test)]
mod tests {
    use super::ignores_hang_up;

    #[test]
    fn nohup_is_recognised() {
        assert!(ignores_hang_up("SigBlk:\t0\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hang_up("SigBlk:\t1\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hang_up(""));
    }
}
