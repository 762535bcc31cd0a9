//! Writes to a vault that get no answer, or an answer that is none: somebody may hold the new value from then on. In
//! this process, as the program would repeat a write for a minute.

use std::sync::Arc;

use rotate_pat::app::StageExit;

use crate::destinations::vault::{PLACE, watch};
use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::NAME;
use simulator::{Fault, Op, Simulator, When, World};

/// One committed PAT with 20 days left, and a vault.
struct InProcessJob {
    sim: Arc<Simulator>,
}

impl InProcessJob {
    fn new() -> Self {
        let mut world = World::new();
        world.add_pat(NAME).days_left(20).add();
        let sim = Arc::new(Simulator::start(world));
        watch(&sim);
        Self { sim }
    }

    fn job(&self) -> LocalJob {
        let place = format!("{}/secrets/{PLACE}", self.sim.origin());
        let mut job = LocalJob::new(&self.sim, &[("patName", NAME), ("publishTo", &place), ("overlapHours", "0")]);
        let world = self.sim.world();
        let (connection, app, run) = (world.service_connection("pat-rotator"), world.app("pat-rotator"), &world.job);
        let key = connection.id.to_uppercase();
        let plan = format!("plans/{}/jobs/{}", run.plan_id, run.job_id);
        let hub = format!("{}/contoso/{}/_apis/distributedtask/hubs/build", self.sim.origin(), run.project_id);
        for (name, value) in [
            ("INPUT_SERVICECONNECTION".to_owned(), &connection.id),
            (format!("ENDPOINT_AUTH_SCHEME_{key}"), &"WorkloadIdentityFederation".to_owned()),
            (format!("ENDPOINT_AUTH_PARAMETER_{key}_TENANTID"), &app.tenant),
            (format!("ENDPOINT_AUTH_PARAMETER_{key}_SERVICEPRINCIPALID"), &app.client_id),
            ("SYSTEM_OIDCREQUESTURI".to_owned(), &format!("{hub}/{plan}/oidctoken")),
        ] {
            job.set(&name, value);
        }
        job
    }

    /// Numbers and names of the active ones, without the hash.
    fn active(&self) -> Vec<String> {
        let world = self.sim.world();
        let plain = |name: &str| name.split('-').take(2).collect::<Vec<_>>().join("-");
        world.active_pats("rotator").iter().map(|pat| format!("#{} {}", pat.number, plain(&pat.name))).collect()
    }

    /// A run whose publication fails and leaves the new one pending, and the healthy run after it.
    fn leaves_it_pending_and_heals(&self) {
        let mut job = self.job();
        assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
        let log = job.log();
        assert!(log.contains("The new token is in perhaps secret \"nuget-pat\""), "{log}");
        assert!(log.contains("It stays \"nuget-publish [pending 101.1-"), "{log}");
        assert_eq!(self.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1")], "{log}");
        assert_eq!(job.settle("Failed"), StageExit::Succeeded, "{}", job.log());

        self.sim.clear_faults();
        self.sim.world().next_run();
        let mut job = self.job();
        assert_eq!(
            (job.main(), job.settle("Succeeded")),
            (StageExit::Succeeded, StageExit::Succeeded),
            "{}",
            job.log()
        );
        assert_eq!(self.active(), [format!("#3 {NAME}")]);
        let world = self.sim.world();
        assert_eq!(world.pat_of_secret(world.vault.value(PLACE)).map(|pat| pat.number), Some(3));
    }
}

#[test]
fn a_write_without_an_answer_counts_as_delivered() {
    for fault in [Fault::ResetAfter, Fault::CutReply, Fault::HangAfter, Fault::StatusAfter(500), Fault::WrongShape] {
        let brief = InProcessJob::new();
        brief.sim.inject(fault, When::every(Op::VaultWrite));
        brief.leaves_it_pending_and_heals();
    }
}

#[test]
fn a_write_without_an_answer_counts_as_delivered_whatever_its_repetition_meets() {
    for then in [Fault::Status(403), Fault::Status(401), Fault::SignInPage] {
        let brief = InProcessJob::new();
        brief.sim.inject(Fault::ResetAfter, When::nth(Op::VaultWrite, 1));
        brief.sim.inject(then, When::from(Op::VaultWrite, 2));
        brief.leaves_it_pending_and_heals();
    }
}

#[test]
fn a_write_that_cannot_be_read_back_counts_as_delivered() {
    let overwritten = || Fault::after(|world| drop(world.set_secret(PLACE, "somebody's own", &[])));
    for (fault, op, nth) in [
        (Fault::Status(403), Op::VaultRead, 2),
        (Fault::ResetAfter, Op::VaultRead, 2),
        (overwritten(), Op::VaultWrite, 1),
    ] {
        let brief = InProcessJob::new();
        // What is overwritten by hand is nothing that the program promises.
        brief.sim.on_each_request(Box::new(|_, _| {}));
        brief.sim.inject(fault, When::from(op, nth));
        brief.leaves_it_pending_and_heals();
    }
}
