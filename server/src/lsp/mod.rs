//! The language server: `qualm lsp`, spoken over standard input and output.
//!
//! A message changes the [`session`] synchronously in the order of arrival; [`work`] brings every changed document to an
//! [`answer`] off the reading task; [`publish`] tells the client. [`convert`] alone builds protocol structures, and only
//! [`text`] knows how clients count columns.

mod actions;
mod announced;
mod answer;
mod convert;
mod document;
mod edits;
mod hangup;
mod home;
mod hover;
mod mirror;
mod origin;
mod parent;
mod publish;
mod replay;
mod resume;
mod server;
mod session;
mod slate;
mod supervisor;
mod text;
mod threads;
mod vet;
mod ward;
mod wire;
mod work;

use announced::Announced;
use futures_util::{SinkExt, Stream, StreamExt, stream::FuturesUnordered};
use resume::method;
use serde_json::Value;
use server::Qualm;
use session::Session;
use slate::Slate;
use std::{
    future::Future,
    io::{self, Read, Write},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::sync::mpsc;
use tower_lsp::{
    LspService,
    jsonrpc::{Id, Request, Response},
};
use tower_service::Service;
use wire::{Fault, Frames};

/// So many requests may be under way: a cancellation must never wait behind what it cancels.
const CONCURRENCY: usize = 1024;
/// Messages that were read and wait for their turn.
const WAITING: usize = 256;
/// After the end of the input, what is still under way may take this long.
const GRACE: Duration = Duration::from_millis(300);

/// So is what was still to be written.
const LAST_ERRANDS: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Write the session (with the text of all opened files) to this file, for a bug report
    #[arg(long, value_name = "FILE")]
    pub mirror: Option<PathBuf>,
    /// Play the client's part of a session written with --mirror, and print what the server says
    #[arg(long, value_name = "FILE", conflicts_with = "mirror")]
    pub replay: Option<PathBuf>,
    /// Start the server anew when it wants more memory than this
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(64..))]
    pub max_memory: u64,
    /// Start it anew when an analysis does not end within so many seconds of computing, and leave that text alone
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_seconds: u64,
    /// Be the server that another process of this program looks after, with notes in this file
    #[arg(long, value_name = "FILE", hide = true)]
    pub server: Option<PathBuf>,
}

/// Serves until the client ends the session; gives the exit code.
pub fn run(options: &Options) -> anyhow::Result<u8> {
    if options.replay.is_none() && options.server.is_none() {
        return supervisor::run(options);
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("QUALM_LOG").unwrap_or_else(|_| "warn".into());
    // Fails only if there is a logger already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).try_init();
    // A panic's message may quote the text it stumbled over; its place says enough.
    std::panic::set_hook(Box::new(|info| match info.location() {
        Some(at) => tracing::error!("panic at {}:{}", at.file(), at.line()),
        None => tracing::error!("panic"),
    }));
    // The rules are read while the client still says hello.
    std::thread::spawn(crate::workspace::embedded_engine);
    match &options.replay {
        Some(file) => replay::run(file),
        None => Ok(serve_supervised(options)?),
    }
}

/// Serves the supervisor that started this process.
fn serve_supervised(options: &Options) -> io::Result<u8> {
    limit_memory(options.max_memory);
    let slate = Arc::new(options.server.as_deref().map(Slate::open).transpose()?.unwrap_or_default());
    slate.watch(slate::Limits { deadline: Duration::from_secs(options.max_seconds) });
    let (input, output) = hangup::pipes()?;
    let pipe = input.try_clone()?;
    std::thread::Builder::new().name("hang-up".into()).stack_size(256 << 10).spawn(move || {
        // Without its supervisor nobody would end a server that hangs.
        if hangup::wait(&pipe) {
            std::thread::sleep(LAST_ERRANDS * 2);
            std::process::exit(1);
        }
    })?;
    serve_noting(input, output, slate, true)
}

/// What the process asks for beyond this it does not get, which ends it. In MiB, the stacks of its threads not counted. It
/// leaves no image of what it read behind. Where the system knows no such limit (Windows, in part macOS) the deadlines
/// are what is left.
#[cfg(unix)]
fn limit_memory(mib: u64) {
    use rlimit::Resource;
    let lower = |resource: Resource, limit: u64| {
        if let Ok((_, most)) = resource.get() {
            let _ = resource.set(limit.min(most), limit.min(most));
        }
    };
    let stacks = 8 * qualm_engine::STACK_SIZE as u64;
    lower(Resource::DATA, mib.saturating_mul(1 << 20).saturating_add(stacks));
    lower(Resource::CORE, 0);
}

#[cfg(not(unix))]
fn limit_memory(_: u64) {}

/// What the reading thread hands on.
enum Incoming {
    Request(Request),
    Response(Response),
    Refused(Value),
}

impl Incoming {
    fn of(message: Result<Value, Fault>) -> Self {
        let value = match message {
            Ok(value) => value,
            Err(fault) => return Self::Refused(fault.answer()),
        };
        let id = value.get("id").cloned().unwrap_or_default();
        let read = if value.get("method").is_some() {
            serde_json::from_value(value).map(Self::Request)
        } else {
            serde_json::from_value(value).map(Self::Response)
        };
        read.unwrap_or_else(|_| Self::Refused(wire::error(&id, -32600, "neither a request nor a notification nor an answer")))
    }
}

/// Serves one client over any pipe. Gives 0 after an orderly end, 1 otherwise.
pub fn serve(input: impl Read + Send + 'static, output: impl Write) -> io::Result<u8> {
    serve_noting(input, output, Arc::default(), false)
}

/// As [`serve`], with notes of what is under way. `supervised`: the client is a supervisor.
fn serve_noting(input: impl Read + Send + 'static, output: impl Write, slate: Arc<Slate>, supervised: bool) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (to_server, from_client) = mpsc::channel(WAITING);
    // A read cannot be taken back: the thread outlives this function, until its input ends.
    std::thread::Builder::new().name("input".into()).spawn(move || read(input, &to_server))?;
    let code = runtime.block_on(converse(from_client, &mut Output(output), slate, supervised));
    runtime.shutdown_background();
    code
}

fn read(mut input: impl Read, to_server: &mpsc::Sender<Incoming>) {
    let (mut frames, mut scratch) = (Frames::default(), Vec::new());
    while frames.read(&mut input, &mut scratch).is_ok_and(|read| read > 0) {
        while let Some(message) = frames.next() {
            if to_server.blocking_send(Incoming::of(message.map(|m| m.value))).is_err() {
                return;
            }
        }
    }
}

/// The way to the client. Written to from the one task that converses, so that nothing is between an answer and the pipe.
struct Output<W>(W);

impl<W: Write> Output<W> {
    fn send(&mut self, message: &impl serde::Serialize) -> io::Result<()> {
        self.0.write_all(&wire::frame(message))?;
        self.0.flush()
    }
}

async fn converse<W: Write>(
    mut from_client: mpsc::Receiver<Incoming>,
    out: &mut Output<W>,
    slate: Arc<Slate>,
    supervised: bool,
) -> io::Result<u8> {
    let (told, from) = mpsc::unbounded_channel();
    let session = Arc::new(Session::new(told, slate, supervised));
    let state = session.clone();
    if supervised {
        tokio::spawn(resume::tell(session.clone()));
    }
    let mut publisher = None;
    let (mut service, socket) = LspService::build(|client| {
        publisher = Some(tokio::spawn(publish::run(state.clone(), client.clone(), from)));
        Qualm { session: state, client, vetting: vet::Running::default(), tokens: 0.into() }
    })
    .custom_method("qualm/textHash", Qualm::text_hash)
    .custom_method("qualm/origin", Qualm::origin_told)
    .custom_method("qualm/originRuns", Qualm::origin_runs)
    .custom_method("window/workDoneProgress/cancel", Qualm::cancel_progress)
    .custom_method(method::WARD, Qualm::take_ward)
    .custom_method(method::SETTINGS, Qualm::take_settings)
    .custom_method(method::OPEN, Qualm::take_document)
    .custom_method(method::AGAIN, Qualm::take_again)
    .custom_method(method::KNOWN, Qualm::take_known)
    .custom_method(method::RESUMED, Qualm::take_resumed)
    .custom_method(method::PING, Qualm::take_ping)
    .finish();
    let (mut asked, mut answered) = socket.split();
    let mut under_way = FuturesUnordered::new();
    let code = || u8::from(!session.shut_down.load(Ordering::Relaxed));
    let code = loop {
        // What is ready goes out before more is taken in, so that no burst of messages keeps answers back.
        tokio::select! {
            biased;
            Some(done) = under_way.next() => {
                if let Some(response) = done {
                    out.send(&response)?;
                }
            }
            Some(request) = asked.next() => out.send(&request)?,
            incoming = from_client.recv(), if under_way.len() < CONCURRENCY => match incoming {
                Some(Incoming::Request(request)) => {
                    match (request.method(), request.params()) {
                        ("initialize", Some(params)) => session.announce(Announced::read(params)),
                        // An `exit` right behind it takes the handler's chance to run.
                        ("shutdown", _) => session.shut_down.store(true, Ordering::Relaxed),
                        _ => {}
                    }
                    if request.method() == "exit" {
                        break code();
                    }
                    let id = request.id().cloned();
                    let mut handler = Box::pin(handled(&mut service, request, id));
                    // Each takes effect before the next one does: up to its first wait it runs here and now.
                    match handler.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(None) => {}
                        Poll::Ready(Some(response)) => out.send(&response)?,
                        Poll::Pending => under_way.push(handler),
                    }
                }
                Some(Incoming::Response(response)) => {
                    // Fails only after the end.
                    let _ = answered.send(response).await;
                }
                Some(Incoming::Refused(answer)) => out.send(&answer)?,
                None => {
                    let rest = finish(&mut under_way, &mut asked, out);
                    let _ = tokio::time::timeout(GRACE, rest).await;
                    break code();
                }
            },
        }
    };
    if let Some(task) = publisher {
        task.abort();
    }
    // What was saved is to be known again.
    session.errands.finish(LAST_ERRANDS);
    Ok(code)
}

/// The handler of a request or notification.
fn handled(service: &mut LspService<Qualm>, request: Request, id: Option<Id>) -> impl Future<Output = Option<Response>> + use<> {
    let handler = service.call(request);
    async move {
        handler.await.unwrap_or_else(|error| {
            tracing::error!("{error}");
            id.map(|id| Response::from_error(id, tower_lsp::jsonrpc::Error::internal_error()))
        })
    }
}

/// Sends what is still under way.
async fn finish<W: Write, H: Future<Output = Option<Response>>>(
    under_way: &mut FuturesUnordered<Pin<Box<H>>>,
    asked: &mut (impl Stream<Item = Request> + Unpin),
    out: &mut Output<W>,
) -> io::Result<()> {
    loop {
        tokio::select! {
            done = under_way.next() => match done {
                Some(Some(response)) => out.send(&response)?,
                Some(None) => {}
                None => return Ok(()),
            },
            Some(request) = asked.next() => out.send(&request)?,
        }
    }
}
