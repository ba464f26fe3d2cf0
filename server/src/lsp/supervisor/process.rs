//! One server process: how it starts, what waits for it, how it ended.

use super::{
    super::{parent, session::lock, slate::GAVE_UP, wire},
    Options,
    blame::End,
};
use std::{
    collections::VecDeque,
    io::{self, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
};
use tempfile::TempPath;

/// Written in one go at most (bytes).
const BATCH: usize = 1 << 20;

/// A running server.
pub struct Server {
    process: Mutex<Child>,
    mail: Mutex<Waiting>,
    more: Condvar,
}

/// What the server has not taken yet.
struct Waiting {
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
    /// `None`: nothing is to be sent any more.
    input: Option<Arc<ChildStdin>>,
    /// Something is being written right now.
    writing: bool,
    /// The input is to be closed once the queue is empty.
    closing: bool,
}

impl Server {
    /// Starts one. Gives it with its output and the slate it writes on.
    pub fn start(options: &Options) -> io::Result<(Self, ChildStdout, TempPath)> {
        let slate = tempfile::Builder::new().prefix("qualm-").tempfile()?.into_temp_path();
        let mut command = Command::new(program()?);
        command.args(["lsp", "--server"]).arg(&slate);
        command.arg(format!("--max-memory={}", options.max_memory)).arg(format!("--max-seconds={}", options.max_seconds));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Of glibc: memory that threads gave back can be used by the others, and goes back to the system where it is much. A text
        // of some hundred kilobytes is copied for each key: lower thresholds have the system map its pages anew each time.
        for (name, value) in [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "8388608"), ("MALLOC_MMAP_THRESHOLD_", "4194304")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut process = command.spawn()?;
        let pipes = (process.stdin.take(), process.stdout.take());
        let (Some(input), Some(output)) = pipes else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let input = Some(Arc::new(input));
        let mail = Waiting { queue: VecDeque::new(), bytes: 0, input, writing: false, closing: false };
        Ok((Self { process: Mutex::new(process), mail: Mutex::new(mail), more: Condvar::new() }, output, slate))
    }

    /// Sends bodies, in order. Never blocks: what does not fit into the pipe is left to the writer.
    pub fn send(&self, bodies: Vec<Vec<u8>>) {
        if bodies.is_empty() {
            return;
        }
        let mut mail = lock(&self.mail);
        if mail.closing {
            return;
        }
        let mut bytes = Vec::with_capacity(bodies.iter().map(|b| b.len() + 32).sum());
        for body in bodies {
            wire::frame_into(&mut bytes, &body);
        }
        if mail.queue.is_empty()
            && !mail.writing
            && let Some(input) = &mail.input
            && fits(input, bytes.len())
        {
            // A server that is gone shows at its output.
            let _ = (&**input).write_all(&bytes);
            return;
        }
        mail.bytes += bytes.len();
        mail.queue.push_back(bytes);
        self.more.notify_one();
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.mail).bytes
    }

    /// Writes what waits, as long as the server lives; tells `changed` when there is less.
    pub fn write(&self, changed: &Condvar) {
        let mut mail = lock(&self.mail);
        loop {
            let Some(input) = mail.input.clone() else { return };
            let mut batch = mail.queue.pop_front().unwrap_or_default();
            while batch.len() < BATCH
                && let Some(next) = mail.queue.pop_front()
            {
                batch.extend(next);
            }
            if batch.is_empty() {
                if mail.closing {
                    mail.input = None;
                    return;
                }
                drop(input);
                mail = self.more.wait(mail).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            mail.writing = true;
            drop(mail);
            let written = (&*input).write_all(&batch);
            mail = lock(&self.mail);
            mail.writing = false;
            mail.bytes -= batch.len();
            changed.notify_all();
            if written.is_err() {
                mail.input = None;
                mail.queue.clear();
                mail.bytes = 0;
            }
        }
    }

    /// Closes the server's input behind what waits.
    pub fn close(&self) {
        let mut mail = lock(&self.mail);
        mail.closing = true;
        if mail.queue.is_empty() && !mail.writing {
            mail.input = None;
        }
        self.more.notify_one();
    }

    /// Whether somebody stopped it, who did not stop this process with it.
    pub fn stopped(&self) -> bool {
        let id = lock(&self.process).id();
        parent::stopped(id)
    }

    /// Ends it.
    pub fn kill(&self) {
        // It may have ended already.
        let _ = lock(&self.process).kill();
    }

    /// Waits for the end, which has come if the output ended; tells how it was.
    pub fn bury(&self) -> End {
        {
            let mut mail = lock(&self.mail);
            (mail.closing, mail.input, mail.bytes) = (true, None, 0);
            mail.queue.clear();
            self.more.notify_one();
        }
        let mut process = lock(&self.process);
        // Whoever closes its output without ending is of no use.
        for _ in 0..50 {
            if let Ok(Some(status)) = process.try_wait() {
                return end(status);
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let _ = process.kill();
        process.wait().map_or(End::Killed, end)
    }
}

#[cfg(unix)]
fn end(status: ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) if code == GAVE_UP => End::GaveUp,
        (Some(code), _) => End::Left(code),
        // Illegal instruction, trap, abort, bus error, arithmetic, segmentation fault: what code does to itself.
        (None, Some(signal @ (4 | 5 | 6 | 7 | 8 | 10 | 11))) => End::Crashed(signal),
        _ => End::Killed,
    }
}

#[cfg(not(unix))]
fn end(status: ExitStatus) -> End {
    match status.code() {
        Some(code) if code == GAVE_UP => End::GaveUp,
        // Codes of exceptions are negative.
        Some(code) if code < 0 => End::Crashed(code),
        Some(code) => End::Left(code),
        None => End::Killed,
    }
}

/// Whether so many bytes can be written without waiting.
#[cfg(unix)]
fn fits(input: &ChildStdin, bytes: usize) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    if bytes > rustix::pipe::PIPE_BUF {
        return false;
    }
    let mut poller = [PollFd::new(input, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut poller, Some(&now)).is_ok_and(|n| n == 1) && poller[0].revents().contains(PollFlags::OUT)
}

#[cfg(not(unix))]
fn fits(_: &ChildStdin, _: usize) -> bool {
    false
}

/// This very program, also when another one was put in its place meanwhile: both processes must be of one version.
fn program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let own = PathBuf::from("/proc/self/exe");
        let inode = |path: &PathBuf| path.metadata().map(|m| (m.dev(), m.ino())).ok();
        if inode(&own).is_some() && inode(&own) != inode(&path) {
            return Ok(own);
        }
    }
    Ok(path)
}
