//! The budget of a caller: told before anything is delayed, delayed before anything is refused, given back in time.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::{
    super::{
        Simulator, World,
        world::{AZURE_DEVOPS, Budget},
    },
    bare::{Answer, VERSION, bearer, call},
};

/// Ten requests fill the budget. The world's clock stands still, so that nothing is given back unless a test says so.
fn simulator() -> (Simulator, String) {
    let mut world = World::new();
    world.budget = Some(Budget::scaled(WINDOW, 20.0));
    let token = world.user_token("vso.graph");
    (Simulator::start(world), token)
}

fn get(sim: &Simulator, token: &str) -> Answer {
    call(sim, "GET", &format!("/contoso/_apis/graph/users?{VERSION}"), &bearer(token), "").unwrap()
}

/// `Remaining`, `Retry-After` and `Delay`.
fn said(answer: &Answer) -> [Option<&str>; 3] {
    ["x-ratelimit-remaining", "retry-after", "x-ratelimit-delay"].map(|name| answer.header(name))
}

/// The longest delay is a tenth of it, as in the documentation.
const WINDOW: Duration = Duration::from_secs(2);

#[test]
fn the_limit_is_spoken_of_then_delays_grow_and_at_last_requests_are_refused() {
    let (sim, token) = simulator();
    let answers: Vec<Answer> = (0..16).map(|_| get(&sim, &token)).collect();
    for quiet in &answers[..4] {
        assert_eq!((quiet.status, said(quiet)), (200, [None; 3]));
    }
    assert_eq!(said(&answers[4]), [Some("100"), None, None]);
    assert_eq!(said(&answers[7]), [Some("40"), None, None]);
    assert_eq!(said(&answers[8]), [Some("20"), Some("2"), None]);
    assert_eq!(said(&answers[9]), [Some("0"), Some("2"), None]);
    assert_eq!(said(&answers[10]), [Some("0"), Some("2"), Some("0.040")]);
    assert_eq!(said(&answers[14]), [Some("0"), Some("2"), Some("0.200")]);
    assert!(answers[..15].iter().all(|answer| answer.status == 200));
    let refused = &answers[15];
    assert_eq!((refused.status, said(refused)), (429, [Some("0"), Some("2"), None]));
    assert!(refused.json()["message"].as_str().unwrap().starts_with("TF400733: "));
    let reset = (sim.world().now().as_second() + 3).to_string();
    let named = ["x-ratelimit-resource", "x-ratelimit-limit", "x-ratelimit-reset"].map(|name| refused.header(name));
    assert_eq!(named, [Some("Concurrency/User"), Some("200"), Some(reset.as_str())]);
    let budget = sim.world().budget.clone().unwrap();
    assert_eq!((budget.delayed, budget.refused), (5, 1));
}

#[test]
fn a_delay_is_waited_for() {
    let (sim, token) = simulator();
    for _ in 0..13 {
        get(&sim, &token);
    }
    let started = Instant::now();
    assert_eq!(said(&get(&sim, &token))[2], Some("0.160"));
    assert!(started.elapsed() >= Duration::from_millis(160));
}

/// What a refused request asked for is not taken, else whoever goes on asking would never be let in again.
#[test]
fn what_was_used_is_given_back_when_it_leaves_the_window() {
    let (sim, token) = simulator();
    for _ in 0..10 {
        get(&sim, &token);
    }
    sim.world().advance(SignedDuration::from_secs(1));
    let last: Vec<u16> = (0..8).map(|_| get(&sim, &token).status).collect();
    assert_eq!(last, [200, 200, 200, 200, 200, 429, 429, 429]);
    assert_eq!(said(&get(&sim, &token))[1], Some("1"));
    sim.world().advance(SignedDuration::from_secs(1));
    assert_eq!((get(&sim, &token).status, said(&get(&sim, &token))[1]), (200, None));
    sim.world().advance(SignedDuration::from_secs(2));
    assert_eq!(said(&get(&sim, &token)), [None; 3]);
}

#[test]
fn each_caller_has_a_budget_and_signing_in_takes_nothing() {
    let (sim, token) = simulator();
    let alice = sim.world().token_of_user("alice", "pat-rotator-public", AZURE_DEVOPS, "vso.graph");
    for _ in 0..10 {
        get(&sim, &token);
    }
    assert_eq!(said(&get(&sim, &alice)), [None; 3]);
    let fields = [("grant_type", "refresh_token")];
    assert_eq!(super::bare::token(&sim, &fields).header("x-ratelimit-remaining"), None);
    sim.take_problems();
}

#[test]
fn the_shortest_time_is_that_of_bursts_a_window_apart() {
    let budget = Budget::scaled(Duration::from_secs(10), 2.0);
    let shortest = [0, 100, 101, 200, 1100].map(|requests| budget.shortest(requests).as_secs());
    assert_eq!(shortest, [0, 0, 10, 10, 100]);
}
