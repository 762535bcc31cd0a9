//! Lists as the service may write them: dates beyond any calendar, encoded names, scopes that only the service may give,
//! pages that shift. Where no document says which it is, each test plays both services.

use jiff::SignedDuration;

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, says};
use agent::TaskResult;
use simulator::{Fault, Op, When};

const ODD: [&str; 5] = ["9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00", "", "soon", "2026-13-01T00:00:00Z"];

#[test]
fn odd_dates_of_other_pats_stop_no_rotation() {
    for odd in ODD {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().add_pat("another").written_end(odd).add();
        pipeline.sim.world().add_pat("a third").written_start(odd).add();
        pipeline.rotate(&mut pipeline.job(), &[]);
        assert!(pipeline.active().contains(&format!("#4 {NAME}")), "{odd}: {:?}", pipeline.active());
    }
}

#[test]
fn a_pat_of_the_name_without_a_readable_date_is_refused_and_left_alone() {
    for (odd, field) in [("", "validTo"), ("0001-01-01T00:00:00", "validTo"), ("", "validFrom"), ("soon", "validFrom")]
    {
        let pipeline = Pipeline::new();
        let mut world = pipeline.sim.world();
        let builder = world.add_pat(NAME);
        let id = if field == "validTo" { builder.written_end(odd).add() } else { builder.written_start(odd).add() };
        drop(world);
        pipeline.consume("the old consumer", &id);
        let main = pipeline.main(&mut pipeline.job(), &[]);
        assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
        says(&main, &[&format!("({id}) is listed without a readable {field}"), "Nothing was changed."]);
        assert_eq!(pipeline.sim.count(Op::CreatePat), 0);
    }
}

#[test]
fn a_pat_that_never_expires_is_replaced_and_shortened() {
    let pipeline = Pipeline::new();
    let id = pipeline.sim.world().add_pat(NAME).written_end(ODD[0]).add();
    pipeline.consume("the old consumer", &id);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "100")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["nothing is due", "valid until never"]);
    let (main, _) = pipeline.rotate(&mut pipeline.next_job(), &[]);
    says(&main, &["valid until never"]);
}

const HOSTILE: &str = "R&D \"feed\" <a> 'b' ключ é 🔑";

#[test]
fn names_come_back_as_sent_or_encoded() {
    for encoded in [false, true] {
        let pipeline = Pipeline::new();
        pipeline.sim.world().names_html_encoded = encoded;
        let id = pipeline.add(HOSTILE, 5);
        pipeline.consume("the old consumer", &id);
        let (main, post) = pipeline.rotate(&mut pipeline.job(), &[("patName", HOSTILE)]);
        for log in [&main.log, &post.log] {
            assert!(!log.contains("&amp;") && !log.contains("&#"), "{log}");
        }
        assert_eq!(pipeline.active(), [format!("#1 {HOSTILE} [superseded 101.1 +24h]"), format!("#2 {HOSTILE}")]);
    }
}

#[test]
fn a_scope_that_is_refused_when_resent_is_left_out_and_stays() {
    let pipeline = Pipeline::new();
    let id = pipeline.sim.world().add_pat(NAME).scope("vso.hidden vso.code").add();
    pipeline.consume("the old consumer", &id);
    pipeline.sim.world().scopes_refused = vec!["vso.hidden".to_owned()];
    pipeline.rotate(&mut pipeline.job(), &[("scopes", "vso.code")]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    assert_eq!(pipeline.sim.world().pat(&id).scope, "vso.hidden vso.code");
}

#[test]
fn a_service_that_widens_an_omitted_scope_is_found_out() {
    let pipeline = Pipeline::new();
    let id = pipeline.sim.world().add_pat(NAME).scope("vso.hidden vso.code").add();
    pipeline.consume("the old consumer", &id);
    {
        let mut world = pipeline.sim.world();
        world.scopes_refused = vec!["vso.hidden".to_owned()];
        world.omitted_scope_is_full = true;
    }
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("scopes", "vso.code")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert!(job.variable_value(VARIABLE).is_some());
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["the scopes app_token instead of vso.hidden vso.code"]);
}

#[test]
fn a_row_that_a_shifting_page_skipped_is_seen() {
    for by_row in [false, true] {
        let pipeline = Pipeline::new();
        let mut world = pipeline.sim.world();
        world.pages_by_row = by_row;
        world.new_pats_valid_after = 0;
        world.add_build(77, "inProgress");
        let short = world.add_pat("another").days_left(1).add();
        world.add_pat(NAME).days_left(5).add();
        let rival = format!("{NAME} [pending 77.1-0a1b2c3d]");
        world.add_pat(&rival).age(SignedDuration::from_hours(1)).days_left(20).add();
        drop(world);
        let revoked = Fault::After(Box::new(move |world| world.revoke(&short)));
        pipeline.sim.inject(revoked, When::nth(Op::ListPats, 1));
        let main = pipeline.main(&mut pipeline.job(), &[]);
        assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
        says(&main, &["run 77.1-0a1b2c3d is rotating the same token"]);
        assert_eq!(pipeline.sim.count(Op::CreatePat), 0, "by row: {by_row}");
    }
}
