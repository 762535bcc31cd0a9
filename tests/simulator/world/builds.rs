//! The pipeline's side: the job that the program runs in, and the builds whose state it may ask for.

use jiff::{SignedDuration, Timestamp};

use super::{World, ids};

/// From the end of a run to the same pipeline's next one, in this world: no pipeline is scheduled closer.
const BETWEEN_RUNS: SignedDuration = SignedDuration::from_mins(11);

/// What the agent knows of the job that the program runs in.
#[derive(Clone, Debug)]
pub struct Job {
    /// The organization's name.
    pub organization: String,
    /// The project's GUID.
    pub project_id: String,
    /// The project's name.
    pub project: String,
    /// The pipeline's number.
    pub definition_id: u32,
    /// The run's number.
    pub build_id: u32,
    /// The orchestration plan's GUID.
    pub plan_id: String,
    /// The job's GUID.
    pub job_id: String,
    /// `System.AccessToken`.
    pub token: String,
}

/// A run of a pipeline.
#[derive(Clone, Debug)]
pub struct Build {
    /// Its number.
    pub id: u32,
    /// `inProgress`, `completed`, `cancelling`, `postponed`, `notStarted`, `none`.
    pub status: String,
    /// When it was completed, if it was.
    pub finished: Option<Timestamp>,
}

impl World {
    /// Makes a run known, or changes the state of one that is. One that is known ends in a second, one that was completed
    /// before it was known ended a while ago.
    pub fn add_build(&mut self, id: u32, status: &str) {
        let now = self.now();
        let is_completed = status == "completed";
        match self.builds.iter_mut().find(|build| build.id == id) {
            Some(build) => {
                status.clone_into(&mut build.status);
                build.finished = is_completed.then(|| now + SignedDuration::from_secs(1));
            }
            None => {
                let finished = is_completed.then(|| now - BETWEEN_RUNS);
                self.builds.push(Build { id, status: status.to_owned(), finished });
            }
        }
    }

    /// Makes a run known that was completed at this time, or at a time that nobody is told.
    pub fn add_completed_build(&mut self, id: u32, finished: Option<Timestamp>) {
        self.add_build(id, "completed");
        self.builds.iter_mut().filter(|build| build.id == id).for_each(|build| build.finished = finished);
    }

    /// Forgets a run, as retention does.
    pub fn delete_build(&mut self, id: u32) {
        self.builds.retain(|build| build.id != id);
    }

    /// The job's own token.
    pub fn job_token(&self) -> String {
        self.job.token.clone()
    }

    /// The job that this token belongs to, be it of the latest run or of an earlier one.
    pub fn job_of_token(&self, token: &str) -> Option<&Job> {
        self.earlier_jobs.iter().chain([&self.job]).find(|job| job.token == token)
    }

    /// The same pipeline's next run, a while after the run before it was completed: another build, plan, job and token.
    pub fn next_run(&mut self) -> Job {
        let before = self.job.build_id;
        self.add_build(before, "completed");
        self.advance(BETWEEN_RUNS);
        self.start_run(before + 1)
    }

    /// Starts a run and makes it the one that the job token belongs to. Others go on running.
    pub fn start_run(&mut self, id: u32) -> Job {
        self.add_build(id, "inProgress");
        let n = u64::from(id);
        let token = self.mint_job_token();
        if !self.job.token.is_empty() {
            self.earlier_jobs.push(self.job.clone());
        }
        let job = &mut self.job;
        job.build_id = id;
        job.plan_id = ids::guid("plan", n);
        job.job_id = ids::guid("job", n);
        job.token = token;
        job.clone()
    }
}
