//! Random programs through parser, lowering, interpreter, judges and rewrites, and random messages through the language
//! server. Each case follows from its number alone, so that a failure can be had again; what fails is made smaller and
//! written out.
//!
//! ```text
//! cargo run --release -p qualm-fuzz -- engine --seconds 120
//! cargo run --release -p qualm-fuzz -- wire --seconds 60 --program target/release/qualm
//! cargo run --release -p qualm-fuzz -- engine --seed 42 --cases 1        one case again
//! cargo run --release -p qualm-fuzz -- engine --file fuzz-failure.py     a text that was written out
//! ```
//!
//! The engine runs in a process of its own: a stack that overflows and memory that runs out end that one, and are told.

mod engine;
mod program;
mod wire;

use clap::{Parser, ValueEnum};
use qualm_engine::Language;
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// A case that is not done after this hangs. Nothing else is decided by the clock.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many attempts are made to make a failing text smaller.
const ATTEMPTS: usize = 400;

#[derive(Parser)]
#[command(about = "Random programs and messages for qualm")]
struct Args {
    /// What is given to whom
    #[arg(value_enum)]
    target: Target,
    /// Stop after so many seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Number of the first case [default: by the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after so many cases
    #[arg(long, default_value_t = u64::MAX)]
    cases: u64,
    /// Look at this text only
    #[arg(long)]
    file: Option<PathBuf>,
    /// The program whose language server is spoken to
    #[arg(long, default_value = "target/release/qualm")]
    program: PathBuf,
    /// Where what fails is written
    #[arg(long, default_value = ".")]
    out: PathBuf,
    /// Work off cases in this process: `SEED COUNT`, or a text on standard input (for the process that watches)
    #[arg(long, hide = true, num_args = 2)]
    work: Option<Vec<u64>>,
    #[arg(long, hide = true)]
    text: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Engine,
    Wire,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(failure)) => {
            eprintln!("fuzz: FAILED: {failure}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> std::io::Result<Option<String>> {
    if let Some(name) = &args.text {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        let language = Language::by_path(name).unwrap_or(Language::Python);
        return Ok(engine::judge(language, &text, 0).err());
    }
    if let Some([from, count]) = args.work.as_deref() {
        return work(*from, *count);
    }
    if let Some(file) = &args.file {
        let text = std::fs::read_to_string(file)?;
        return fails(&text, &file.to_string_lossy());
    }
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() * 1000);
    let seed = args.seed.unwrap_or(clock);
    println!("fuzz: seed {seed}");
    let until = Instant::now() + Duration::from_secs(args.seconds);
    if args.target == Target::Wire {
        let mut done = 0;
        while done < args.cases && Instant::now() < until {
            if let Err(failure) = wire::session(&args.program, seed + done)? {
                let (name, smaller) = wire::smaller(&args.program, seed + done)?;
                let at = args.out.join(name);
                std::fs::write(&at, smaller)?;
                return Ok(Some(format!("seed {}: {failure}; written to {}", seed + done, at.display())));
            }
            done += 1;
        }
        println!("fuzz: {done} sessions, all held");
        return Ok(None);
    }
    let mut done = 0;
    while done < args.cases && Instant::now() < until {
        let count = 2000.min(args.cases - done);
        let left = until.saturating_duration_since(Instant::now());
        let (worked, failure) = watch(seed + done, count, left)?;
        done += worked;
        if let Some(what) = failure {
            let failing = seed + done;
            let (language, text) = program::random(failing);
            let small = smaller(language, text)?;
            let at = args.out.join(format!("fuzz-failure-{failing}.{}", language.info().extensions[0]));
            std::fs::write(&at, &small)?;
            return Ok(Some(format!("seed {failing}: {what}; {} bytes written to {}", small.len(), at.display())));
        }
    }
    println!("fuzz: {done} cases, all held");
    Ok(None)
}

/// Works off cases, telling the number of each before it begins, until one fails.
fn work(from: u64, count: u64) -> std::io::Result<Option<String>> {
    let mut out = std::io::stdout();
    for seed in from..from.saturating_add(count) {
        writeln!(out, "{seed}")?;
        out.flush()?;
        let (language, text) = program::random(seed);
        if let Err(failure) = engine::judge(language, &text, seed) {
            return Ok(Some(failure));
        }
    }
    writeln!(out, "done")?;
    Ok(None)
}

/// Has another process work off cases. How many were fine, and what was wrong with the one after them.
fn watch(from: u64, count: u64, left: Duration) -> std::io::Result<(u64, Option<String>)> {
    let began = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["engine", "--work", &from.to_string(), &count.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (send, receive) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    }
    let mut error = child.stderr.take();
    let told = thread::spawn(move || {
        let mut text = Vec::new();
        error.as_mut().map(|e| e.take(1 << 20).read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut begun = 0;
    let hangs = loop {
        match receive.recv_timeout(PATIENCE) {
            Ok(line) if line == "done" => break false,
            Ok(_) if began.elapsed() > left => {
                child.kill()?;
                child.wait()?;
                return Ok((begun, None));
            }
            Ok(_) => begun += 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => break false,
            Err(mpsc::RecvTimeoutError::Timeout) => break true,
        }
    };
    if hangs {
        child.kill()?;
    }
    let status = child.wait()?;
    if hangs {
        return Ok((begun - 1, Some("it hangs".into())));
    }
    if status.success() {
        return Ok((begun, None));
    }
    let told = told.join().unwrap_or_default();
    Ok((begun.saturating_sub(1), Some(format!("{status}: {}", told.trim().chars().take(600).collect::<String>()))))
}

/// What is wrong with a text, found out by another process.
fn fails(text: &str, name: &str) -> std::io::Result<Option<String>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["engine", "--text", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // Whoever ends early does not read it all.
        let _ = input.write_all(text.as_bytes());
    }
    let until = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Ok(Some("it hangs".into()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr).trim().chars().take(600).collect::<String>();
    Ok((!output.status.success()).then(|| format!("{}: {told}", output.status)))
}

/// The text without what its failure does not need, by lines and then by pieces.
fn smaller(language: Language, text: String) -> std::io::Result<String> {
    let name = format!("x.{}", language.info().extensions[0]);
    let mut parts: Vec<String> = text.split_inclusive('\n').map(ToOwned::to_owned).collect();
    let mut attempts = 0;
    for round in 0..2 {
        let mut size = parts.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < parts.len() && attempts < ATTEMPTS {
                let end = (at + size).min(parts.len());
                let rest: String = parts[..at].iter().chain(&parts[end..]).map(String::as_str).collect();
                attempts += 1;
                if fails(&rest, &name)?.is_some() {
                    parts.drain(at..end);
                } else {
                    at = end;
                }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
        if round == 0 {
            let whole: String = parts.concat();
            parts = whole.split_inclusive(|c: char| !c.is_alphanumeric()).map(ToOwned::to_owned).collect();
        }
    }
    Ok(parts.concat())
}
