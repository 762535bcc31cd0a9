//! Whole runs of a stage, in this process, against services that answer what a target's input says.
//!
//! The input is blocks of text. `## KEY STATUS` begins one, headers follow up to an empty line, the rest is the body. A
//! request is answered by the next block whose key is a part of its method and path; the last such block is repeated.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rotate_pat::agent::cancellation::Cancel;
use rotate_pat::agent::environment::format_name;
use rotate_pat::app::{Stage, StageExit};
use rotate_pat::context;
use rotate_pat::model::timestamp::Timestamp;
use rotate_pat::runtime::clock::Clock;
use rotate_pat::runtime::limits::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use crate::agent::Command;
use crate::targets::commands::Page;

/// Stands for the services' address in an environment and in an input.
const ORIGIN: &str = "http://ORIGIN";
/// Nobody may print these.
pub(crate) const SECRET: &str = "hunter2hunter2hunter2";
const LONGEST_RUN: Duration = Duration::from_secs(5);

struct Block {
    key: String,
    reply: Vec<u8>,
    is_used: bool,
}

/// The blocks of an input.
fn blocks(text: &str) -> Vec<Block> {
    let read = |block: &str| {
        let (head, rest) = block.split_once('\n').unwrap_or((block, ""));
        let (key, status) = head.trim().rsplit_once(' ')?;
        let status: u16 = status.parse().ok().filter(|status| (200..600).contains(status))?;
        let (headers, body) = rest.split_once("\n\n").unwrap_or(("", rest));
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let (length, body) = if status == 204 { (0, "") } else { (body.len(), body) };
        let reply = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes();
        Some(Block { key: key.to_owned(), reply, is_used: false })
    };
    text.split("## ").filter_map(read).collect()
}

fn answer(blocks: &Mutex<Vec<Block>>, request: &str) -> Vec<u8> {
    let mut blocks = blocks.lock().expect("one thread");
    let fits = |block: &Block| request.contains(&block.key);
    let next = blocks.iter().position(|block| fits(block) && !block.is_used);
    match next.or_else(|| blocks.iter().rposition(fits)) {
        Some(at) => {
            blocks[at].is_used = true;
            blocks[at].reply.clone()
        }
        None => b"HTTP/1.1 404 None\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
    }
}

async fn serve(mut stream: TcpStream, blocks: Arc<Mutex<Vec<Block>>>) {
    let mut read = Vec::new();
    loop {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(length) if length > 0 => read.extend_from_slice(&piece[..length]),
                _ => return,
            }
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let whole = end + 4 + length.unwrap_or_default();
        while read.len() < whole {
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(length) if length > 0 => read.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let request = String::from_utf8_lossy(&read[..end]).lines().next().unwrap_or_default().to_owned();
        read.drain(..whole);
        let mut reply = answer(&blocks, &request);
        if request.starts_with("HEAD ") {
            let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_default();
            reply.truncate(end + 4);
        }
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// Short limits: an answer whose headers promise more than comes is waited for in vain.
fn limits() -> Limits {
    let (short, answer) = (Duration::from_millis(2), Duration::from_millis(100));
    Limits {
        read: answer,
        reply: answer,
        create_reply: answer,
        first_pause: Duration::from_micros(100),
        longest_pause: short,
        repeat_within: short,
        first_use: Duration::ZERO,
        first_propagation_pause: Duration::from_micros(100),
        longest_propagation_pause: short,
        propagation: short,
        ..Limits::default()
    }
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
}

/// Both stages under these variables, the second one if the first left something for it.
pub(crate) fn run(variables: &[(&str, &str)], data: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(play(variables, data)));
}

async fn play(variables: &[(&str, &str)], data: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let text = String::from_utf8_lossy(data).replace(ORIGIN, &origin);
    let services = Arc::new(Mutex::new(blocks(&text)));
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&services)));
        }
    });
    let mut environment: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.replace(ORIGIN, &origin))).collect();
    let printed = stage(Stage::Main, &environment).await;
    let told = printed.lines().filter_map(|line| Command::parse(line, true));
    let handed: Vec<(String, String)> = told
        .filter(|command| command.is("task.settaskvariable"))
        .map(|command| {
            let name = format_name(command.property("variable").unwrap_or_default());
            (format!("VSTS_TASKVARIABLE_{name}"), command.data)
        })
        .collect();
    if !handed.is_empty() {
        environment.extend(handed);
        environment.push(("agent.jobstatus".to_owned(), "Succeeded".to_owned()));
        stage(Stage::Settle, &environment).await;
    }
    accepting.abort();
}

async fn stage(stage: Stage, environment: &[(String, String)]) -> String {
    let page = Page::default();
    let started = Instant::now();
    let surroundings = context::Runtime {
        environment: environment.iter().cloned().collect(),
        clock: Clock::new(|| Timestamp::from_unix(1_795_489_200).expect("a time"), move || started.elapsed()),
        out: Box::new(page.clone()),
        cancel: Cancel::pair().1,
        has_launcher: Rc::new(|| true),
        limits: limits(),
    };
    let told = tokio::time::timeout(LONGEST_RUN, rotate_pat::app::run(stage, surroundings)).await;
    let printed = page.text();
    assert!(told.is_ok_and(|told| told != StageExit::Nothing), "{stage:?} did not end:\n{printed}");
    judge(&printed);
    printed
}

/// What is true of whatever a stage prints: commands of its own only, the last of them its result, and no secret.
fn judge(printed: &str) {
    for line in printed.lines() {
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        let Some(command) = Command::parse(line, true) else {
            let text = line.strip_prefix("##[group]").or(line.strip_prefix("##[endgroup]")).unwrap_or(line);
            assert!(!text.contains("##") && !text.contains(SECRET), "{line:?}");
            continue;
        };
        assert!(line.starts_with("##vso[") && command.area == "task", "{line:?}");
        let is_own = [
            "complete",
            "debug",
            "logissue",
            "setprogress",
            "setsecret",
            "settaskvariable",
            "setvariable",
            "uploadfile",
            "uploadsummary",
        ];
        assert!(is_own.contains(&command.event.as_str()), "{line:?}");
        let is_for_secrets = command.is("task.setsecret") || command.flag("issecret");
        assert!(is_for_secrets || !command.data.contains(SECRET), "{line:?}");
    }
    let last = printed.lines().last().and_then(|line| Command::parse(line, true));
    assert!(last.is_some_and(|last| last.is("task.complete")), "{printed}");
}
