//! Notices that the editor which started the server is gone.

use std::time::Duration;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(2);

/// Returns when the process has ended. Where processes cannot be looked at it never returns: the end of the input
/// tells then.
pub async fn gone(pid: u32) {
    let Some(born) = birth(pid) else { return std::future::pending().await };
    while birth(pid).as_deref() == Some(&born) {
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What tells this process from a later one with the same number. `None`: there is no such process, or it is only
/// waiting to be buried.
#[cfg(target_os = "linux")]
fn birth(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows its end is regular.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(not(target_os = "linux"))]
fn birth(_: u32) -> Option<String> {
    None
}
