//! What can be seen of other processes: whether the editor which started the server is gone, whether a server was stopped.

use std::time::Duration;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(2);

/// Returns true when the process has ended. One that cannot be seen (it lives in another container, or this system does
/// not tell) is never taken for dead, and false says so: the end of the input tells then.
pub fn gone(pid: u32) -> bool {
    let born = match look(pid) {
        Seen::Alive(born) => born,
        Seen::Dead => return true,
        Seen::Nothing | Seen::Stopped => return false,
    };
    while matches!(look(pid), seen if seen == Seen::Stopped || seen == Seen::Alive(born.clone())) {
        std::thread::sleep(INTERVAL);
    }
    true
}

/// Whether the process was stopped by a signal.
pub fn stopped(pid: u32) -> bool {
    look(pid) == Seen::Stopped
}

/// What there is to see of a process.
#[derive(PartialEq, Eq)]
enum Seen {
    /// With what tells it from a later one of the same number.
    Alive(String),
    /// It does not run until somebody lets it go on.
    Stopped,
    /// It has ended and waits to be buried.
    Dead,
    Nothing,
}

#[cfg(target_os = "linux")]
fn look(pid: u32) -> Seen {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Seen::Nothing };
    // The name in parentheses may hold anything; what follows its end is regular.
    let Some((_, rest)) = stat.rsplit_once(')') else { return Seen::Nothing };
    let mut fields = rest.split_whitespace();
    match (fields.next(), fields.nth(18)) {
        (Some("Z" | "X"), _) => Seen::Dead,
        (Some("T"), _) => Seen::Stopped,
        (Some(_), Some(born)) => Seen::Alive(born.to_owned()),
        _ => Seen::Nothing,
    }
}

#[cfg(not(target_os = "linux"))]
fn look(_: u32) -> Seen {
    Seen::Nothing
}
