//! The worker process: `qualm worker`, started by [`super::Crew`]. Takes jobs from standard input, tells what comes of
//! them on standard output, and ends when its input does, whatever its threads are doing.

use super::{
    Job, Kind, STACK_SIZE, Scanner, Setup,
    wire::{self, Event, Order},
};
use cpu_time::ProcessTime;
use std::{
    cell::RefCell,
    io::{self, BufReader, Stdout},
    panic::{self, AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// So long after its deadline a file that cannot be stopped ends the worker.
const GRACE: Duration = Duration::from_secs(2);
/// So many times the deadline a file may take on a busy machine.
const BUSY: u32 = 5;
/// How often the jobs under way are looked at.
const LOOK: Duration = Duration::from_millis(100);

thread_local! {
    /// What the thread's last panic said.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the process.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let Some(Order::Begin(setup)) = wire::receive(&mut input)? else { return Ok(()) };
    limit(&setup);
    panic::set_hook(Box::new(|info| SAID.with(|said| *said.borrow_mut() = crate::lines::one_line(&info.to_string()))));
    let (jobs, queue) = mpsc::channel();
    let (scanner, queue) = (Arc::new(Scanner::new(setup.clone())), Arc::new(Mutex::new(queue)));
    let (under_way, out) = (Arc::new(Under::default()), Arc::new(Mutex::new(io::stdout())));
    for _ in 0..setup.threads {
        let (scanner, queue, under_way, out) = (scanner.clone(), queue.clone(), under_way.clone(), out.clone());
        thread::Builder::new().stack_size(STACK_SIZE).spawn(move || work(&scanner, &queue, &under_way, &out))?;
    }
    thread::spawn(move || watch(setup.deadline(), &under_way, &out));
    while let Some(Order::Scan(number, job)) = wire::receive(&mut input)? {
        if jobs.send((number, job)).is_err() {
            break;
        }
    }
    // Nobody is left to tell anything to, and a thread may never come to an end.
    std::process::exit(0)
}

/// What a thread works on, and since when by the clock on the wall and by that of the process.
type Under = Mutex<Vec<(usize, Instant, ProcessTime)>>;

/// Ends the process when a job takes too long and does not see it itself. A machine that is busy with other things is no
/// reason: the process must have had the time.
fn watch(deadline: Duration, under_way: &Under, out: &Mutex<Stdout>) {
    loop {
        thread::sleep(LOOK);
        let under_way = lock(under_way);
        let late = under_way.iter().find(|(_, since, spent)| {
            let wall = since.elapsed();
            wall > deadline + GRACE && (spent.elapsed() > deadline || wall > deadline * BUSY)
        });
        if let Some((number, ..)) = late {
            let _ = wire::send(&mut *lock(out), &Event::Late(*number));
            std::process::exit(2);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(scanner: &Scanner, queue: &Mutex<mpsc::Receiver<(usize, Box<Job>)>>, under_way: &Under, out: &Mutex<Stdout>) {
    let tell = |event: &Event| {
        if wire::send(&mut *lock(out), event).is_err() {
            std::process::exit(2);
        }
    };
    loop {
        let next = lock(queue).recv();
        let Ok((number, job)) = next else { return };
        tell(&Event::Started(number));
        lock(under_way).push((number, Instant::now(), ProcessTime::now()));
        let mut known = None;
        let done = catch_unwind(AssertUnwindSafe(|| {
            scanner.scan(*job, &mut |early| {
                known = Some(early.clone());
                tell(&Event::Early(number, early.clone()));
            })
        }));
        let done = done.unwrap_or_else(|_| {
            let said = SAID.with(RefCell::take);
            super::crew::after_failure(
                known,
                Kind::Failed,
                format!("the analysis failed; this is a bug in qualm, please report it ({said})"),
            )
        });
        lock(under_way).retain(|(n, ..)| *n != number);
        tell(&Event::Done(number, done));
    }
}

/// Takes from this process what its work does not need: memory beyond the limit, and core dumps of hostile texts.
/// Where the system knows no such limit (Windows, in part macOS) the supervisor's deadline is what is left.
#[cfg(unix)]
fn limit(setup: &Setup) {
    use rlimit::Resource;
    let lower = |resource: Resource, limit: u64| {
        if let Ok((_, most)) = resource.get() {
            let _ = resource.set(limit.min(most), limit.min(most));
        }
    };
    // The stacks count as soon as they are there, whether or not anything was put on them.
    let stacks = (setup.threads as u64).saturating_mul(STACK_SIZE as u64 + (1 << 20));
    lower(Resource::DATA, setup.limits.max_memory.saturating_mul(1 << 20).saturating_add(stacks));
    lower(Resource::CORE, 0);
}

#[cfg(not(unix))]
fn limit(_: &Setup) {}
