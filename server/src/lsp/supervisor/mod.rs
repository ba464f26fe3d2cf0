//! `qualm lsp` as clients start it: a thin process that has the real server as its child, passes messages on both ways, and
//! puts a fresh server in the place of one that died, hangs or ran out of memory. It analyses nothing.
//!
//! Threads: one reads the client, one starts servers one after the other and reads each, one for each server writes what does not
//! fit into its pipe at once, one looks after their health, and one waits for the client to hang up. Only the first two do
//! something for each key; whatever they decide is decided in [`keep`], under one lock that is never held while
//! something could block.

mod blame;
mod journal;
mod keep;
mod process;

use super::{
    Options, hangup,
    mirror::Mirror,
    origin::now as millis,
    parent,
    resume::method,
    session::lock,
    slate,
    wire::{self, Frames},
};
use blame::End;
use keep::{Keep, Mail, notification};
use process::Server;
use serde_json::Value;
use std::{
    fs::File,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// So much may wait for the server before the client has to (bytes).
const MAX_QUEUE: usize = 64 << 20;
/// A server that says nothing for so long, though it was asked, hangs.
const SILENCE: Duration = Duration::from_secs(15);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A server that was told the end may take so long for what it has begun.
const GRACE: Duration = Duration::from_millis(1500);
/// Stacks of threads that only pass things on.
const STACK: usize = 512 << 10;

struct State {
    keep: Keep,
    server: Option<Arc<Server>>,
    /// A message came since the server last proved that it is well.
    active: bool,
    /// When it was asked.
    asked: Option<Instant>,
    /// The server was ended because it hung.
    hung: bool,
    /// The server was asked to end because a fresh one takes less memory.
    retired: bool,
    /// The client wants no more.
    ending: bool,
    /// The last server is gone.
    over: bool,
}

struct Supervisor {
    options: Options,
    state: Mutex<State>,
    /// Something changed that a thread may wait for.
    changed: Condvar,
    client: Mutex<File>,
    /// Something is being written that the client has not taken yet.
    client_is_slow: AtomicBool,
    mirror: Option<Mirror>,
}

/// Serves until the client ends the session; gives the exit code.
pub fn run(options: &Options) -> anyhow::Result<u8> {
    let mirror = options.mirror.as_deref().map(Mirror::create).transpose()?;
    let (input, output) = hangup::pipes()?;
    let state =
        State { keep: Keep::default(), server: None, active: false, asked: None, hung: false, retired: false, ending: false, over: false };
    let supervisor = Arc::new(Supervisor {
        options: options.clone(),
        state: Mutex::new(state),
        changed: Condvar::new(),
        client: Mutex::new(output),
        client_is_slow: AtomicBool::new(false),
        mirror,
    });
    supervisor.thread("servers", Supervisor::servers)?;
    supervisor.thread("health", Supervisor::health)?;
    if let Ok(stdin) = input.try_clone() {
        supervisor.thread("hang-up", move |s| {
            // Whoever hung up may have said goodbye first: that is read before.
            if hangup::wait(&stdin) {
                std::thread::sleep(GRACE);
                s.exit();
            }
        })?;
    }
    supervisor.listen(input);
    Ok(supervisor.finish())
}

impl Supervisor {
    fn thread(self: &Arc<Self>, name: &str, work: impl FnOnce(&Arc<Self>) + Send + 'static) -> io::Result<()> {
        let supervisor = self.clone();
        std::thread::Builder::new().name(name.into()).stack_size(STACK).spawn(move || work(&supervisor))?;
        Ok(())
    }

    /// Reads the client until it ends the session or its input.
    fn listen(self: &Arc<Self>, mut input: File) {
        let (mut frames, mut scratch) = (Frames::default(), Vec::new());
        let mut watched = false;
        while frames.read(&mut input, &mut scratch).is_ok_and(|read| read > 0) {
            while let Some(message) = frames.next() {
                let message = match message {
                    Ok(message) => message,
                    Err(fault) => {
                        self.tell(&[fault.answer().to_string().into_bytes()]);
                        continue;
                    }
                };
                if let Some(mirror) = &self.mirror {
                    mirror.record("client", &message.value);
                }
                let mut state = self.room();
                let mail = state.keep.client_says(message);
                let client = state.keep.client();
                if !std::mem::replace(&mut state.active, true) {
                    self.changed.notify_all();
                }
                if let Some(server) = &state.server {
                    server.send(mail.to_server);
                }
                drop(state);
                self.tell(&mail.to_client);
                if mail.end {
                    return;
                }
                if let (Some(client), false) = (client, watched) {
                    watched = true;
                    // Without the thread the end of the input tells.
                    let _ = self.thread("client", move |s| {
                        if parent::gone(client) {
                            s.exit();
                        }
                    });
                }
            }
        }
    }

    /// The state, once there is room for another message. A client that sends more than the server takes has to wait.
    fn room(&self) -> std::sync::MutexGuard<'_, State> {
        let full = |state: &mut State| state.server.as_ref().is_some_and(|s| s.waiting() > MAX_QUEUE);
        let mut state = lock(&self.state);
        while full(&mut state) {
            state = self.changed.wait_timeout(state, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Sends bodies to the client. May block for as long as it takes nothing.
    fn tell(&self, bodies: &[Vec<u8>]) {
        if bodies.is_empty() {
            return;
        }
        let mut bytes = Vec::with_capacity(bodies.iter().map(|b| b.len() + 32).sum());
        for body in bodies {
            if let Some(mirror) = &self.mirror
                && let Ok(message) = serde_json::from_slice::<Value>(body)
            {
                mirror.record("server", &message);
            }
            wire::frame_into(&mut bytes, body);
        }
        let mut client = lock(&self.client);
        self.client_is_slow.store(true, Ordering::Relaxed);
        // A client that is gone shows at its input.
        let _ = client.write_all(&bytes);
        self.client_is_slow.store(false, Ordering::Relaxed);
    }

    /// Starts servers, one after the other, and passes on what they say.
    fn servers(self: &Arc<Self>) {
        loop {
            let (end, records) = match Server::start(&self.options) {
                Ok((server, output, slate)) => self.serve(&Arc::new(server), output, &slate),
                Err(error) => {
                    eprintln!("qualm: the server cannot be started: {error}");
                    (End::NotStarted, Vec::new())
                }
            };
            let mut state = lock(&self.state);
            state.server = None;
            if state.ending || state.keep.shut_down() {
                state.over = true;
                self.changed.notify_all();
                let mail = state.keep.abandon();
                drop(state);
                self.tell(&mail.to_client);
                return;
            }
            if std::mem::take(&mut state.retired) {
                continue;
            }
            let (delay, mail) = state.keep.ended(end, &records, Instant::now());
            drop(state);
            self.tell(&mail.to_client);
            let state = lock(&self.state);
            let waited = self.changed.wait_timeout_while(state, delay, |s| !s.ending);
            drop(waited);
        }
    }

    /// Passes on what a server says until it ends.
    fn serve(
        self: &Arc<Self>,
        server: &Arc<Server>,
        mut output: std::process::ChildStdout,
        slate: &tempfile::TempPath,
    ) -> (End, Vec<slate::Record>) {
        {
            let mut state = lock(&self.state);
            (state.asked, state.hung, state.retired, state.active) = (None, false, false, true);
            let Mail { to_server, to_client, .. } = state.keep.begin();
            server.send(to_server);
            state.server = Some(server.clone());
            self.changed.notify_all();
            drop(state);
            self.tell(&to_client);
        }
        let writer = server.clone();
        if let Err(error) = self.thread("writer", move |s| writer.write(&s.changed)) {
            eprintln!("qualm: no thread: {error}");
        }
        let (mut frames, mut scratch) = (Frames::default(), Vec::new());
        while frames.read(&mut output, &mut scratch).is_ok_and(|read| read > 0) {
            while let Some(body) = frames.next_as(|body| Ok(body.to_vec())) {
                // What is no message can only be a stray print; it has no place on the client's wire.
                let Ok(body) = body else { continue };
                let mut state = lock(&self.state);
                let well = state.asked.is_some() && body_is_pong(&body);
                let Mail { to_server, to_client, .. } = state.keep.server_says(body);
                server.send(to_server);
                if well {
                    (state.asked, state.active) = (None, false);
                }
                drop(state);
                self.tell(&to_client);
            }
        }
        let hung = std::mem::take(&mut lock(&self.state).hung);
        let end = server.bury();
        let records = slate::read(slate);
        (if hung { End::Hung } else { end }, records)
    }

    /// Asks the server now and then whether it is well, while there is something to do.
    fn health(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let mut looked = Instant::now();
        loop {
            if state.active || state.asked.is_some() || (state.keep.worn() && !state.retired) {
                state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                looked = Instant::now();
            }
            if looked.elapsed() < LOOK {
                continue;
            }
            // A machine that slept, or has no time for us either, tells nothing about the server.
            let late = looked.elapsed() > LOOK * 2;
            looked = Instant::now();
            let Some(server) = state.server.clone() else { continue };
            if late || self.client_is_slow.load(Ordering::Relaxed) {
                state.asked = state.asked.map(|_| Instant::now());
                continue;
            }
            match state.asked {
                Some(asked) if asked.elapsed() > SILENCE || server.stopped() => {
                    state.hung = true;
                    server.kill();
                }
                Some(_) => {}
                None if !state.active => {
                    if state.keep.worn() {
                        state.retired = true;
                        server.close();
                    }
                }
                None => {
                    state.asked = Some(Instant::now());
                    server.send(vec![notification(method::PING, &millis())]);
                }
            }
        }
    }

    /// Ends the server in order; gives the exit code.
    fn finish(&self) -> u8 {
        let mut state = lock(&self.state);
        state.ending = true;
        self.changed.notify_all();
        if let Some(server) = state.server.take() {
            server.close();
            let (after, _) = self.changed.wait_timeout_while(state, GRACE, |s| !s.over).unwrap_or_else(PoisonError::into_inner);
            state = after;
            server.kill();
        }
        u8::from(!state.keep.shut_down())
    }

    /// Ends the process though the client may not listen.
    fn exit(&self) {
        let state = lock(&self.state);
        if let Some(server) = &state.server {
            server.kill();
        }
        std::process::exit(i32::from(!state.keep.shut_down()));
    }
}

fn body_is_pong(body: &[u8]) -> bool {
    wire::Head::of(body).is_some_and(|head| head.method.as_deref() == Some(method::PONG))
}
