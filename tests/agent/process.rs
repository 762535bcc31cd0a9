//! Runs the handler's process as the agent does (agent: ProcessInvoker.cs): two pipes read live, stdin closed, the
//! cancel ladder on the one process it started, five seconds of patience with pipes that somebody else still holds.

use super::descendants::{Descendants, Orphan};
use super::watch::Watch;
use std::ffi::OsString;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// One raw line, before masking, with the milliseconds since the process was started.
#[derive(Clone, Debug)]
pub struct Line {
    pub stream: Stream,
    pub text: String,
    pub millis: u128,
}

/// When the outside world interferes. Lines are looked at raw, of either stream.
pub enum When {
    After(Duration),
    Line(Box<dyn FnMut(&str) -> bool + Send>),
    Flag(Arc<AtomicBool>),
    Signal(Receiver<()>),
    Poll(Box<dyn FnMut() -> bool + Send>),
}

pub type CancelWhen = When;

impl When {
    /// At the first line that contains the text.
    pub fn line_containing(text: &str) -> Self {
        let text = text.to_owned();
        Self::Line(Box::new(move |line| line.contains(&text)))
    }

    /// After that many lines.
    pub fn lines(count: usize) -> Self {
        let mut seen = 0;
        Self::Line(Box::new(move |_| {
            seen += 1;
            seen >= count
        }))
    }

    fn at_line(&mut self, line: &str) -> bool {
        match self {
            Self::Line(matches) => matches(line),
            _ => false,
        }
    }

    fn at_tick(&mut self, started: Instant) -> bool {
        match self {
            Self::After(delay) => started.elapsed() >= *delay,
            Self::Line(_) => false,
            Self::Flag(flag) => flag.load(Ordering::SeqCst),
            Self::Signal(signal) => !matches!(signal.try_recv(), Err(TryRecvError::Empty)),
            Self::Poll(poll) => poll(),
        }
    }
}

/// What happens to a run from outside.
pub enum Interruption {
    None,
    /// Somebody cancels the job: the ladder.
    Cancel(When),
    /// The agent dies and takes node with it, and its end of the pipes: `kill -9`.
    AgentGone(When),
    /// Everything is gone at once, as a container is that somebody removes: `kill -9` for the group of node.
    HardCut(When),
    /// The agent's end of stdout closes: the program's next write fails. Only `When::Line` is looked at.
    CloseStdout(When),
}

pub struct Spawn {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub directory: PathBuf,
    /// The step's own time limit: the ladder, too.
    pub timeout: Option<Duration>,
    /// The emulator's patience, after which the test fails.
    pub bound: Duration,
    /// How long descendants may outlive the run before they are killed and reported.
    pub patience: Duration,
    /// Applied to the agent's own waits: 7500, 2500 and 5000 ms.
    pub scale: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Exited,
    Cancelled,
    TimedOut,
    AgentGone,
    /// `task.complete` with `done=true`: the agent went on without waiting.
    ForcedComplete,
    /// The emulator's own bound.
    Bound,
}

pub struct Exit {
    pub ending: Ending,
    /// As .NET gives it: 128 + the signal's number for a killed process. None if nobody waited for it.
    pub code: Option<i32>,
    pub signals: Vec<&'static str>,
    pub duration: Duration,
    pub argument_leaks: Vec<String>,
    pub outlived: Duration,
    pub orphans: Vec<Orphan>,
}

/// The step, as the process sees it.
pub trait Observer: Send {
    /// True: go on without the process five seconds from now.
    fn line(&mut self, line: Line) -> bool;
    fn cancelling(&mut self);
}

/// Blocks. A thread and a runtime of its own, so that it can be called from within another runtime's test.
pub fn run(spawn: &Spawn, interruption: &mut Interruption, watch: &Watch, observer: &mut dyn Observer) -> Exit {
    std::thread::scope(|scope| {
        let drive = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(drive(spawn, interruption, watch, observer))
        };
        match scope.spawn(drive).join() {
            Ok(exit) => exit,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Started in the background by a shell, the tests ignore SIGINT, and so would every process they start until it decides
/// otherwise: an early cancel would be lost. A handler, which tokio never takes away again, ends that.
#[cfg(unix)]
fn heed_interrupts() {
    use tokio::signal::unix::{SignalKind, signal};
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    if ignored.is_some_and(|signals| signals & (1 << (2 - 1)) != 0) {
        drop(signal(SignalKind::interrupt()).expect("a handler for SIGINT"));
    }
}

const BUSY_AT_MOST: Duration = Duration::from_secs(10);

async fn drive(spawn: &Spawn, interruption: &mut Interruption, watch: &Watch, observer: &mut dyn Observer) -> Exit {
    let mut command = tokio::process::Command::new(&spawn.program);
    command.args(&spawn.arguments).current_dir(&spawn.directory);
    command.env_clear().envs(spawn.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A group of its own finds what is left over; signals still go to the one process.
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(unix)]
    heed_interrupts();

    let started = Instant::now();
    let mut child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // A process that another test starts at this moment holds the file open until it has become its own program.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && started.elapsed() < BUSY_AT_MOST => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("cannot start {}: {error}", spawn.program.display()),
        }
    };
    let pid = child.id().expect("just started");
    let mut descendants = Descendants::of(pid);
    let mut pipes = Pipes {
        stdout: Pipe::new(child.stdout.take().map(|pipe| Box::pin(pipe) as Reader)),
        stderr: Pipe::new(child.stderr.take().map(|pipe| Box::pin(pipe) as Reader)),
    };
    let scaled = |millis: u64| Duration::from_millis(millis).mul_f64(spawn.scale);
    let mut status: Option<(ExitStatus, Instant)> = None;
    let mut ladder = Ladder::default();
    let mut ending = Ending::Exited;
    let mut forced: Option<Instant> = None;
    let mut signals = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(5));

    loop {
        let mut close = match interruption {
            Interruption::CloseStdout(when) => Some(when),
            _ => None,
        };
        tokio::select! {
            biased;
            () = poll_fn(|context| pipes.poll(context, &mut close)), if pipes.open() => {}
            exited = child.wait(), if status.is_none() => {
                status = Some((exited.expect("wait"), Instant::now()));
            }
            _ = tick.tick() => descendants.look(watch),
        }
        let mut wanted = match interruption {
            Interruption::Cancel(when) | Interruption::AgentGone(when) | Interruption::HardCut(when) => {
                when.at_tick(started)
            }
            _ => false,
        };
        for (stream, text) in pipes.take() {
            if let Interruption::Cancel(when) | Interruption::AgentGone(when) | Interruption::HardCut(when) =
                interruption
            {
                wanted |= when.at_line(&text);
            }
            let line = Line { stream, text, millis: started.elapsed().as_millis() };
            if observer.line(line) && forced.is_none() {
                forced = Some(Instant::now() + scaled(5000));
            }
        }
        if wanted && matches!(interruption, Interruption::AgentGone(_) | Interruption::HardCut(_)) {
            ending = Ending::AgentGone;
            descendants.look(watch);
            if matches!(interruption, Interruption::HardCut(_)) {
                let group = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{pid}")]).output();
                assert!(group.is_ok_and(|kill| kill.status.success()), "the `kill` program is needed");
            }
            let _ = child.start_kill();
            signals.push("KILL");
            drop(pipes);
            status = Some((child.wait().await.expect("wait"), Instant::now()));
            break;
        }
        if wanted && ladder.start(Instant::now()) {
            ending = Ending::Cancelled;
            observer.cancelling();
        }
        if spawn.timeout.is_some_and(|limit| started.elapsed() >= limit) && ladder.start(Instant::now()) {
            ending = Ending::TimedOut;
        }
        if let Some(signal) = ladder.due(Instant::now(), scaled(7500), scaled(2500)) {
            signals.push(signal);
            send(signal, pid, status.is_some(), &mut child);
        }
        // All read, or five seconds after the end: somebody else holds the pipes.
        if status.is_some_and(|(_, at)| !pipes.open() || at.elapsed() >= scaled(5000)) {
            break;
        }
        if forced.is_some_and(|at| Instant::now() >= at) {
            ending = Ending::ForcedComplete;
            break;
        }
        if started.elapsed() >= spawn.bound {
            ending = Ending::Bound;
            let _ = child.start_kill();
            break;
        }
    }
    let duration = started.elapsed();
    let patience = if ending == Ending::Bound { Duration::ZERO } else { spawn.patience };
    let (outlived, orphans) = descendants.settle(patience, watch).await;
    let _ = child.start_kill();
    let code = status.map(|(status, _)| exit_code(status));
    Exit { ending, code, signals, duration, argument_leaks: descendants.leaks, outlived, orphans }
}

/// SIGINT, SIGTERM, SIGKILL: agent: ProcessInvoker.cs, for handlers with `killProcessOnCancel=false`.
#[derive(Default)]
struct Ladder {
    started: Option<Instant>,
    sent: usize,
}

impl Ladder {
    fn start(&mut self, now: Instant) -> bool {
        let first = self.started.is_none();
        self.started.get_or_insert(now);
        first
    }

    fn due(&mut self, now: Instant, to_terminate: Duration, to_kill: Duration) -> Option<&'static str> {
        let started = self.started?;
        let steps = [("INT", Duration::ZERO), ("TERM", to_terminate), ("KILL", to_terminate + to_kill)];
        let (signal, after) = *steps.get(self.sent)?;
        (now >= started + after).then(|| {
            self.sent += 1;
            signal
        })
    }
}

/// By the `kill` program, because the crate has neither libc nor unsafe code. Never to a process already waited for.
fn send(signal: &str, pid: u32, gone: bool, child: &mut tokio::process::Child) {
    if gone {
        return;
    }
    if cfg!(unix) && signal != "KILL" {
        let kill = std::process::Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).output();
        assert!(kill.is_ok(), "the `kill` program is needed");
    } else {
        let _ = child.start_kill();
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

type Reader = Pin<Box<dyn AsyncRead + Send>>;

struct Pipes {
    stdout: Pipe,
    stderr: Pipe,
}

impl Pipes {
    fn open(&self) -> bool {
        self.stdout.reader.is_some() || self.stderr.reader.is_some()
    }

    fn poll(&mut self, context: &mut Context<'_>, close: &mut Option<&mut When>) -> Poll<()> {
        let progress = [self.stdout.poll(context, close), self.stderr.poll(context, &mut None)];
        if progress.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Of one batch the lines of stderr come first: the agent's two queues (agent: ProcessInvoker.cs, `ProcessOutput`).
    fn take(&mut self) -> impl Iterator<Item = (Stream, String)> + use<> {
        let stderr = std::mem::take(&mut self.stderr.lines).into_iter().map(|line| (Stream::Stderr, line));
        stderr.chain(std::mem::take(&mut self.stdout.lines).into_iter().map(|line| (Stream::Stdout, line)))
    }
}

struct Pipe {
    reader: Option<Reader>,
    partial: Vec<u8>,
    after_return: bool,
    lines: Vec<String>,
}

impl Pipe {
    fn new(reader: Option<Reader>) -> Self {
        Self { reader, partial: Vec::new(), after_return: false, lines: Vec::new() }
    }

    fn poll(&mut self, context: &mut Context<'_>, close: &mut Option<&mut When>) -> bool {
        let mut progress = false;
        while let Some(reader) = self.reader.as_mut() {
            let mut space = [0; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            match reader.as_mut().poll_read(context, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.split(buffer.filled(), close),
                // The end: what is there counts as a full line (StreamReader.ReadLine).
                Poll::Ready(_) => {
                    self.reader = None;
                    if !self.partial.is_empty() {
                        self.end_line();
                    }
                }
            }
            progress = true;
        }
        progress
    }

    /// LF, CR and CRLF each end a line.
    fn split(&mut self, bytes: &[u8], close: &mut Option<&mut When>) {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => continue,
                b'\n' | b'\r' => self.end_line(),
                _ => {
                    self.partial.push(byte);
                    continue;
                }
            }
            if let (Some(when), Some(line)) = (close.as_deref_mut(), self.lines.last())
                && when.at_line(line)
            {
                self.reader = None;
                return;
            }
        }
    }

    fn end_line(&mut self) {
        self.lines.push(String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned());
    }
}
