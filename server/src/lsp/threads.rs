//! The server's own threads: a fixed number for each kind of work, started when first needed, with stacks that deep code fits on.

use super::session::lock;
use qualm_engine::STACK_SIZE;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// Stack of threads that read and write files.
const FILES_STACK: usize = 4 << 20;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    /// Told when a thread has nothing to do.
    rest: Condvar,
}

/// Threads for one kind of work. What waits is done in order.
pub struct Pool {
    shared: Arc<Shared>,
    name: &'static str,
    threads: usize,
    stack: usize,
}

impl Pool {
    /// At most so many threads that run the engine.
    pub fn of_engines(name: &'static str, threads: usize) -> Self {
        Self { shared: Arc::default(), name, threads, stack: STACK_SIZE }
    }

    /// At most so many threads that read and write files.
    pub fn of_errands(name: &'static str, threads: usize) -> Self {
        Self { shared: Arc::default(), name, threads, stack: FILES_STACK }
    }

    /// Has something done whose result nobody waits for. A panic in it is told by the process's hook.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        let mut queue = lock(&self.shared.queue);
        queue.jobs.push_back(Box::new(work));
        if queue.idle >= queue.jobs.len() || queue.threads >= self.threads {
            self.shared.more.notify_one();
            return;
        }
        queue.threads += 1;
        let shared = self.shared.clone();
        let builder = std::thread::Builder::new().name(self.name.into()).stack_size(self.stack);
        if let Err(error) = builder.spawn(move || shared.serve()) {
            // Those that run will come to it; without any it waits for the next attempt.
            tracing::error!("no thread for {}: {error}", self.name);
            queue.threads -= 1;
        }
    }

    /// Has something done; the result is an error when it panicked.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        self.spawn(move || {
            // Nobody may wait any more.
            let _ = done.send(work());
        });
        result
    }
}

impl Pool {
    /// Waits until all is done, but not longer than this.
    pub fn finish(&self, patience: Duration) {
        let queue = lock(&self.shared.queue);
        let busy = |q: &mut Queue| !q.jobs.is_empty() || q.idle < q.threads;
        drop(self.shared.rest.wait_timeout_while(queue, patience, busy));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.more.notify_all();
    }
}

impl Shared {
    fn serve(&self) {
        let mut queue = lock(&self.queue);
        loop {
            let Some(job) = queue.jobs.pop_front() else {
                if queue.closed {
                    return;
                }
                queue.idle += 1;
                self.rest.notify_all();
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                continue;
            };
            drop(queue);
            // Told by the process's hook; the thread goes on.
            let _ = catch_unwind(AssertUnwindSafe(job));
            queue = lock(&self.queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn never_more_threads_than_allowed_and_nothing_is_left_undone() {
        let pool = Pool::of_errands("test", 3);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let results: Vec<_> = (0..50)
            .map(|n| {
                let (now, most) = (now.clone(), most.clone());
                pool.run(move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(1));
                    now.fetch_sub(1, Ordering::SeqCst);
                    assert!(n != 7, "one of them panics");
                    n
                })
            })
            .collect();
        for (n, result) in results.into_iter().enumerate() {
            assert_eq!(result.await.ok(), (n != 7).then_some(n));
        }
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(lock(&pool.shared.queue).threads, most.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn deep_code_fits() {
        fn deep(n: usize) -> usize {
            let page = std::hint::black_box([n as u8; 4096]);
            if n == 0 { 0 } else { deep(n - 1) + usize::from(page[n % 4096] == n as u8) }
        }
        let pool = Pool::of_engines("test", 1);
        assert_eq!(pool.run(|| deep(5000)).await, Ok(5000));
    }
}
