//! The supervisor of worker processes: gives them files, and when one dies, hangs or starves, finds out which file did
//! it, names that and has the others done by another worker.

use super::{
    Job, Kind, Scanned, Setup, took_too_long,
    wire::{self, Event, Order},
};
use std::{
    collections::VecDeque,
    io::{self, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Instant,
};

/// A worker that has not given up a file after so many times its deadline, by any clock, is ended.
const PATIENCE: u32 = 6;
/// So many workers in a row may end without having begun any file.
const MAX_BARREN: usize = 2;
/// Only so much of what a worker says on standard error is kept.
const MAX_SAID: u64 = 16 * 1024;

/// Scans files in worker processes.
pub(crate) struct Crew {
    setup: Setup,
    worker: Option<Worker>,
}

impl Crew {
    /// Starts the first worker at once, so that it loads its rules meanwhile.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let worker = Some(Worker::start(&setup)?);
        Ok(Self { setup, worker })
    }

    /// What came of each job, in their order. `done` is called as often as one is finished.
    pub fn scan(&mut self, jobs: Vec<Job>, done: &mut dyn FnMut()) -> Vec<Scanned> {
        let mut run = Run::new(&self.setup, jobs, done);
        while run.left > 0 {
            let worker = match self.worker.take().map_or_else(|| Worker::start(&self.setup), Ok) {
                Ok(worker) => worker,
                Err(error) => {
                    run.give_up(&format!("a worker process cannot be started: {error}"));
                    break;
                }
            };
            self.worker = run.with(worker);
        }
        run.results.into_iter().map(|r| r.unwrap_or_else(|| Scanned::lost(Kind::Failed, "not vetted"))).collect()
    }

    /// What came of one job.
    pub fn scan_one(&mut self, job: Job) -> Scanned {
        self.scan(vec![job], &mut || ()).pop().unwrap_or_default()
    }
}

/// The findings that were known before rewrites failed, or a file of which nothing is known.
pub(super) fn after_failure(known: Option<Scanned>, kind: Kind, why: String) -> Scanned {
    match known {
        Some(mut known) => {
            known.gap(Kind::Rewrites, format!("rewrites were not worked out: {why}"));
            known
        }
        None => Scanned::lost(kind, format!("not vetted: {why}")),
    }
}

/// The jobs of one call.
struct Run<'r> {
    setup: &'r Setup,
    jobs: Vec<Job>,
    results: Vec<Option<Scanned>>,
    /// What is known of jobs whose rewrites are being worked out.
    early: Vec<Option<Scanned>>,
    done: &'r mut dyn FnMut(),
    left: usize,
    waiting: VecDeque<usize>,
    /// Jobs that were under way when a worker died: each is tried alone.
    suspects: VecDeque<usize>,
    /// Jobs with the worker, and since when it works on them.
    out: Vec<(usize, Option<Instant>)>,
    barren: usize,
}

impl<'r> Run<'r> {
    fn new(setup: &'r Setup, jobs: Vec<Job>, done: &'r mut dyn FnMut()) -> Self {
        let none = || jobs.iter().map(|_| None).collect();
        let (results, early) = (none(), none());
        let waiting = (0..jobs.len()).collect();
        Self { setup, left: jobs.len(), jobs, results, early, done, waiting, suspects: VecDeque::new(), out: Vec::new(), barren: 0 }
    }

    fn finish(&mut self, number: usize, result: Scanned) {
        self.out.retain(|(n, _)| *n != number);
        self.early[number] = None;
        if self.results[number].replace(result).is_none() {
            self.left -= 1;
            (self.done)();
        }
    }

    fn lose(&mut self, number: usize, kind: Kind, why: String) {
        let known = self.early[number].take();
        self.finish(number, after_failure(known, kind, why));
    }

    fn give_up(&mut self, why: &str) {
        for number in 0..self.results.len() {
            if self.results[number].is_none() {
                self.lose(number, Kind::Failed, why.to_owned());
            }
        }
    }

    /// Works with one worker until all is done, or it is no longer of use.
    fn with(&mut self, mut worker: Worker) -> Option<Worker> {
        let deadline = self.setup.deadline() * PATIENCE;
        while self.left > 0 {
            self.hand_out(&worker);
            let next = self.out.iter().filter_map(|(_, since)| *since).min().map(|since| since + deadline);
            let event = match next {
                Some(next) => worker.events.recv_timeout(next.saturating_duration_since(Instant::now())),
                None => worker.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(Event::Started(number)) => {
                    if let Some(job) = self.out.iter_mut().find(|(n, _)| *n == number) {
                        job.1 = Some(Instant::now());
                    }
                }
                Ok(Event::Early(number, known)) if number < self.early.len() => self.early[number] = Some(known),
                Ok(Event::Done(number, result)) if number < self.results.len() => {
                    worker.served += 1;
                    self.barren = 0;
                    self.finish(number, result);
                }
                Ok(Event::Late(number)) if number < self.results.len() => {
                    self.too_long(&mut worker, &[number]);
                    return None;
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let late = |since: &Option<Instant>| since.is_some_and(|s| s.elapsed() >= deadline);
                    let late: Vec<usize> = self.out.iter().filter(|(_, since)| late(since)).map(|(n, _)| *n).collect();
                    if !late.is_empty() {
                        self.too_long(&mut worker, &late);
                        return None;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let cause = worker.cause(self.setup);
                    self.died(worker.served == 0, cause);
                    return None;
                }
            }
        }
        Some(worker)
    }

    /// The worker cannot stop working on these.
    fn too_long(&mut self, worker: &mut Worker, late: &[usize]) {
        worker.end();
        for number in late {
            self.lose(*number, Kind::Time, took_too_long(self.setup));
        }
        let others = std::mem::take(&mut self.out).into_iter().rev();
        others.for_each(|(number, _)| self.waiting.push_front(number));
    }

    /// Keeps the worker busy: with as many jobs as it has threads and some more, or with one that is suspect.
    fn hand_out(&mut self, worker: &Worker) {
        let give = |run: &mut Self, number: usize| {
            run.out.push((number, None));
            if let Ok(frame) = wire::frame(&Order::Scan(number, Box::new(run.jobs[number].clone()))) {
                worker.give(frame);
            } else {
                run.lose(number, Kind::Failed, "the text is too long".to_owned());
            }
        };
        if !self.suspects.is_empty() {
            if self.out.is_empty()
                && let Some(number) = self.suspects.pop_front()
            {
                give(self, number);
            }
            return;
        }
        while self.out.len() < 2 * self.setup.threads
            && let Some(number) = self.waiting.pop_front()
        {
            give(self, number);
        }
    }

    /// The worker died. The only file that was under way did it, unless what earlier files left may have had a part; who
    /// else was under way is tried alone.
    fn died(&mut self, fresh: bool, cause: Cause) {
        let out = std::mem::take(&mut self.out);
        let (begun, others): (Vec<_>, Vec<_>) = out.into_iter().partition(|(_, since)| since.is_some());
        others.into_iter().rev().for_each(|(number, _)| self.waiting.push_front(number));
        if let ([(number, _)], true) = (begun.as_slice(), fresh || cause.own) {
            self.lose(*number, cause.kind, cause.why);
            return;
        }
        if begun.is_empty() {
            self.barren += 1;
            if self.barren > MAX_BARREN {
                self.give_up(&cause.why);
            }
        }
        self.suspects.extend(begun.into_iter().map(|(number, _)| number));
    }
}

/// Why a worker ended.
struct Cause {
    kind: Kind,
    why: String,
    /// Earlier files can have had no part in it.
    own: bool,
}

/// A worker process. Ended when dropped.
struct Worker {
    child: Child,
    orders: Option<Sender<Vec<u8>>>,
    events: Receiver<Event>,
    said: Option<JoinHandle<String>>,
    /// Jobs it has done.
    served: usize,
}

impl Worker {
    fn start(setup: &Setup) -> io::Result<Self> {
        let mut command = Command::new(own_program()?);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let mut input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let (orders, queue) = mpsc::channel::<Vec<u8>>();
        let (tell, events) = mpsc::channel();
        // Written by a thread of its own: a worker that does not read must not hold the supervisor.
        thread::spawn(move || queue.iter().try_for_each(|frame| input.write_all(&frame)));
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Ok(Some(event)) = wire::receive(&mut output) {
                if tell.send(event).is_err() {
                    break;
                }
            }
        });
        let said = thread::spawn(move || {
            let mut errors = errors;
            let mut said = Vec::new();
            let _ = (&mut errors).take(MAX_SAID).read_to_end(&mut said);
            let _ = io::copy(&mut errors, &mut io::sink());
            String::from_utf8_lossy(&said).into_owned()
        });
        let worker = Self { child, orders: Some(orders), events, said: Some(said), served: 0 };
        worker.give(wire::frame(&Order::Begin(setup.clone()))?);
        Ok(worker)
    }

    fn give(&self, frame: Vec<u8>) {
        // Should it have died, its events say so.
        if let Some(orders) = &self.orders {
            let _ = orders.send(frame);
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Why it ended.
    fn cause(&mut self, setup: &Setup) -> Cause {
        self.orders = None;
        // It may only have closed its output.
        let _ = self.child.kill();
        let status = self.child.wait();
        let said = self.said.take().and_then(|s| s.join().ok()).unwrap_or_default();
        let memory = format!("the analysis takes more than {} MiB of memory (--max-memory)", setup.limits.max_memory);
        if said.contains("overflowed its stack") {
            let why = "the analysis ran out of stack; this is a bug in qualm, please report it".to_owned();
            Cause { kind: Kind::Failed, why, own: true }
        } else if said.contains("memory allocation of") || said.contains("failed to allocate") {
            Cause { kind: Kind::Memory, why: memory, own: false }
        } else {
            let how = status.as_ref().map_or_else(ToString::to_string, ExitStatus::to_string);
            let said = crate::lines::one_line(said.trim());
            let why = format!("the worker process ended ({how}){}{said}", if said.is_empty() { "" } else { ": " });
            Cause { kind: Kind::Failed, why, own: false }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// This very program, even if its file was replaced meanwhile.
fn own_program() -> io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && link.exists() { Ok(link) } else { std::env::current_exe() }
}
