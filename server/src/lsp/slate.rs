//! What the server works on right now, noted in a file that outlives it: when it dies, its supervisor reads there which
//! texts it was at. And a watch over how long each takes: what does not end even when it is told to, ends the process.
//!
//! The file has a place for each thread: the length of a record (two bytes, little-endian; 0: the thread is idle), then the record
//! as JSON. It names documents and versions and holds no text. Writing there is one call that wakes nobody.

use super::session::lock;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Places for threads; more than the pools have.
const PLACES: usize = 16;
/// Bytes of each; a longer record is not written.
const PLACE: usize = 4096;
/// How often the watch looks while something is done.
const LOOK: Duration = Duration::from_millis(250);
/// The watch rests when so little was done lately.
const REST: Duration = Duration::from_secs(5);

/// The exit code of a server that gave itself up.
pub const GAVE_UP: i32 = 75;

/// What is done with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// An open document is vetted.
    Vet,
    /// Its rewrites are worked out.
    Rewrite,
    /// A file of the workspace is vetted that is not open.
    File,
}

/// One thing under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[allow(missing_docs)]
    pub task: Task,
    /// The document's URI, or the file's path.
    pub key: String,
    /// The document's version.
    pub version: i32,
    /// It took longer than allowed.
    #[serde(default)]
    pub late: bool,
}

/// How long things may take: a thread's own time where the system tells it, six times as long by the clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one document or file; rewrites may take twice as long.
    pub deadline: Duration,
}

struct Running {
    record: Record,
    since: Instant,
    thread: Thread,
    /// The thread's own time when the watch first saw it.
    spent: Option<Duration>,
}

#[derive(Default)]
struct Places {
    all: [Option<Running>; PLACES],
    /// Nobody looks; whoever begins something must wake the watch.
    resting: bool,
}

/// See the module.
#[derive(Default)]
pub struct Slate {
    file: Option<File>,
    places: Mutex<Places>,
    begun: Condvar,
}

impl Slate {
    /// A slate in this file, which the supervisor made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Some(File::options().write(true).open(path)?), ..Self::default() })
    }

    /// Notes that this thread works on something, until the guard is dropped.
    pub fn begin(&self, task: Task, key: &str, version: i32) -> Noted<'_> {
        let record = Record { task, key: key.to_owned(), version, late: false };
        let Some(file) = &self.file else { return Noted { slate: self, place: None } };
        let mut places = lock(&self.places);
        let Some(place) = places.all.iter().position(Option::is_none) else { return Noted { slate: self, place: None } };
        write(file, place, Some(&record));
        places.all[place] = Some(Running { record, since: Instant::now(), thread: Thread::this(), spent: None });
        if std::mem::take(&mut places.resting) {
            self.begun.notify_one();
        }
        Noted { slate: self, place: Some(place) }
    }

    /// Ends the process when something does not end in time.
    pub fn watch(self: &Arc<Self>, limits: Limits) {
        let slate = self.clone();
        let watch = std::thread::Builder::new().name("watch".into()).stack_size(256 << 10).spawn(move || {
            let late = slate.look(limits);
            tracing::error!("gave up: {:?} of version {} of a document does not end", late.task, late.version);
            std::process::exit(GAVE_UP);
        });
        if let Err(error) = watch {
            tracing::error!("no thread for the watch: {error}");
        }
    }

    /// Waits until something takes longer than allowed, and notes that.
    fn look(&self, limits: Limits) -> Record {
        let mut busy = Instant::now();
        let mut places = lock(&self.places);
        loop {
            for (place, running) in places.all.iter_mut().enumerate() {
                let Some(running) = running else { continue };
                busy = Instant::now();
                let limit = limits.deadline * if running.record.task == Task::Rewrite { 2 } else { 1 };
                let wall = running.since.elapsed();
                if wall < LOOK {
                    continue;
                }
                let now = running.thread.time();
                let spent = now.map(|now| now.saturating_sub(*running.spent.get_or_insert(now)));
                // Who cannot be asked for his own time gets three times as long: the machine may be busy with others.
                let late = spent.map_or(wall > limit * 3, |spent| spent > limit || wall > limit * 6);
                if late {
                    running.record.late = true;
                    if let Some(file) = &self.file {
                        write(file, place, Some(&running.record));
                    }
                    return running.record.clone();
                }
            }
            places.resting = busy.elapsed() > REST;
            places = if places.resting {
                self.begun.wait(places).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.begun.wait_timeout(places, LOOK).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

/// Ends the note when dropped.
pub struct Noted<'s> {
    slate: &'s Slate,
    place: Option<usize>,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let (Some(place), Some(file)) = (self.place, &self.slate.file) {
            let mut places = lock(&self.slate.places);
            places.all[place] = None;
            write(file, place, None);
        }
    }
}

fn write(file: &File, place: usize, record: Option<&Record>) {
    let text = record.and_then(|r| serde_json::to_vec(r).ok()).unwrap_or_default();
    let text = if text.len() + 2 > PLACE { Vec::new() } else { text };
    let mut bytes = (text.len() as u16).to_le_bytes().to_vec();
    bytes.extend(text);
    // A full disk costs only the note.
    let _ = write_at(file, &bytes, (place * PLACE) as u64);
}

/// What was under way when the process that wrote here ended.
pub fn read(path: &Path) -> Vec<Record> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let places = bytes.chunks(PLACE).filter_map(|place| {
        let length = usize::from(u16::from_le_bytes([*place.first()?, *place.get(1)?]));
        serde_json::from_slice(place.get(2..2 + length)?).ok()
    });
    places.collect()
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, at)
}

/// A thread of this process.
struct Thread(#[cfg(target_os = "linux")] Option<i32>);

#[cfg(target_os = "linux")]
impl Thread {
    fn this() -> Self {
        Self(Some(rustix::thread::gettid().as_raw_nonzero().get()))
    }

    /// The time that the processor spent on it.
    fn time(&self) -> Option<Duration> {
        // In ticks of a hundredth of a second on every Linux that people use.
        let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", self.0?)).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }
}

#[cfg(not(target_os = "linux"))]
impl Thread {
    fn this() -> Self {
        Self()
    }

    fn time(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_can_be_read_from_outside() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let slate = Slate::open(file.path()).unwrap();
        assert_eq!(read(file.path()), []);
        let first = slate.begin(Task::Vet, "file:///a.py", 3);
        let second = slate.begin(Task::Rewrite, "file:///b.py", 4);
        let record = |task, key: &str, version| Record { task, key: key.into(), version, late: false };
        assert_eq!(read(file.path()), [record(Task::Vet, "file:///a.py", 3), record(Task::Rewrite, "file:///b.py", 4)]);
        drop(first);
        assert_eq!(read(file.path()), [record(Task::Rewrite, "file:///b.py", 4)]);
        let third = slate.begin(Task::File, &"x".repeat(2 * PLACE), 0);
        assert_eq!(read(file.path()).len(), 1, "too long to be noted");
        drop((second, third));
        assert_eq!(read(file.path()), []);
    }

    #[test]
    fn what_does_not_end_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let slate = Arc::new(Slate::open(file.path()).unwrap());
        let limits = Limits { deadline: Duration::from_millis(50) };
        let end = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (worker, stop) = (slate.clone(), end.clone());
        let busy = std::thread::spawn(move || {
            let _noted = worker.begin(Task::Vet, "file:///a.py", 3);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let late = slate.look(limits);
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((late.version, late.late), (3, true));
        busy.join().unwrap();
    }
}
