//! What a run leaves behind: the agent kills node alone, so whoever node started may live on.

use super::watch::Watch;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a killed process may take to be gone.
const LAST_BREATH: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    pub pid: u32,
    pub arguments: String,
}

/// The process group of one handler, and what was seen of it.
pub struct Descendants {
    leader: u32,
    looked_at: BTreeSet<(u32, String)>,
    pub leaks: Vec<String>,
}

impl Descendants {
    pub fn of(leader: u32) -> Self {
        Self { leader, looked_at: BTreeSet::new(), leaks: Vec::new() }
    }

    /// Arguments are public on the machine: no secret may be in them. Only where `/proc` exists.
    pub fn look(&mut self, watch: &Watch) {
        if watch.is_empty() {
            return;
        }
        let mut todo = vec![self.leader];
        while let Some(pid) = todo.pop() {
            todo.extend(children(pid));
            self.examine(pid, arguments(pid), watch);
        }
    }

    fn examine(&mut self, pid: u32, arguments: String, watch: &Watch) {
        if self.looked_at.insert((pid, arguments.clone())) {
            self.leaks.extend(watch.found_in(&arguments).into_iter().map(|what| format!("process arguments: {what}")));
        }
    }

    /// Waits for the rest of the group to end. Who doesn't is killed, by id, and reported.
    pub async fn settle(&mut self, patience: Duration, watch: &Watch) -> (Duration, Vec<Orphan>) {
        let started = Instant::now();
        let mut outlived = Duration::ZERO;
        loop {
            let alive = group(self.leader);
            for orphan in &alive {
                self.examine(orphan.pid, orphan.arguments.clone(), watch);
            }
            if alive.is_empty() {
                return (outlived, alive);
            }
            outlived = started.elapsed();
            if outlived >= patience {
                for orphan in &alive {
                    let _ = std::process::Command::new("kill").arg("-KILL").arg(orphan.pid.to_string()).output();
                }
                // Killed is not yet ended: on a busy machine that takes its time.
                while !group(self.leader).is_empty() && started.elapsed() < patience + LAST_BREATH {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                return (outlived, alive);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn arguments(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let lists: Vec<String> = threads.flatten().map(of).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}

/// The living members of a process group, zombies aside.
fn group(leader: u32) -> Vec<Orphan> {
    if !Path::new("/proc/self/stat").exists() {
        return group_by_ps(leader);
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let member = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which is in parentheses and may hold anything: state, parent, group.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        matches!(fields[..], [state, _, group, ..] if group == leader.to_string() && state != "Z" && state != "X")
    };
    pids.filter(member).map(|pid| Orphan { pid, arguments: arguments(pid) }).collect()
}

fn group_by_ps(leader: u32) -> Vec<Orphan> {
    let Ok(output) = std::process::Command::new("ps").args(["-axo", "pid=,pgid=,stat=,args="]).output() else {
        return Vec::new();
    };
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let (pid, group, state) = (fields.next()?, fields.next()?, fields.next()?);
        let arguments = fields.collect::<Vec<_>>().join(" ");
        (group == leader.to_string() && !state.starts_with('Z'))
            .then(|| Some(Orphan { pid: pid.parse().ok()?, arguments }))?
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect()
}
