//! An agent acting as its user, after <https://learn.microsoft.com/entra/agent-id/agent-user-oauth-flow>.

use super::{
    super::{Simulator, World},
    bare::{Answer, DEFAULT, JWT_BEARER, claims, code, token},
};

const EXCHANGE: &str = "api://AzureADTokenExchange/.default";

struct Setting {
    sim: Simulator,
}

impl Setting {
    /// A blueprint with two agent identities, each with a user of its own.
    fn new() -> Self {
        let mut world = World::new();
        for (identity, user) in [("rotator-agent", "agent"), ("other-agent", "other")] {
            world.add_agent_identity(identity, "pat-rotator");
            world.add_agent_user(user, identity);
        }
        Self { sim: Simulator::start(world) }
    }

    fn client(&self, app: &str) -> String {
        self.sim.world().app(app).client_id.clone()
    }

    fn first(&self, path: &str) -> Answer {
        let (client, secret) =
            (self.client("pat-rotator"), self.sim.world().app("pat-rotator").secrets[0].value.clone());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("client_secret", secret.as_str()),
            ("scope", EXCHANGE),
            ("fmi_path", path),
        ];
        token(&self.sim, &fields)
    }

    fn second(&self, identity: &str, assertion: &str) -> Answer {
        let client = self.client(identity);
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("scope", EXCHANGE),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
        ];
        token(&self.sim, &fields)
    }

    fn third(&self, identity: &str, tokens: (&str, &str), more: &[(&str, &str)]) -> Answer {
        let client = self.client(identity);
        let mut fields = vec![
            ("grant_type", "user_fic"),
            ("client_id", client.as_str()),
            ("scope", DEFAULT),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", tokens.0),
            ("user_federated_identity_credential", tokens.1),
            ("requested_token_use", "on_behalf_of"),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        token(&self.sim, &fields)
    }

    /// The tokens of the first two exchanges.
    fn tokens(&self, identity: &str) -> (String, String) {
        let access = |answer: Answer| answer.json()["access_token"].as_str().unwrap().to_owned();
        let first = access(self.first(&self.client(identity)));
        let second = access(self.second(identity, &first));
        (first, second)
    }
}

#[test]
fn an_agent_gets_its_users_token_in_three_exchanges() {
    let setting = Setting::new();
    let (first, second) = setting.tokens("rotator-agent");
    let tokens = (first.as_str(), second.as_str());
    let by_name = setting.third("rotator-agent", tokens, &[("username", "agent@contoso.onmicrosoft.com")]).json();
    let said = claims(by_name["access_token"].as_str().unwrap());
    let oid = setting.sim.world().user("agent").oid.clone();
    assert_eq!((&said["idtyp"], &said["oid"]), (&"user".into(), &oid.as_str().into()));
    assert_eq!(said["scp"], "vso.pats vso.pats_manage");
    assert_eq!(setting.third("rotator-agent", tokens, &[("user_id", &oid)]).status, 200);
    assert_eq!(
        setting.sim.transcript_text(),
        "POST /contoso.onmicrosoft.com/oauth2/v2.0/token as client pat-rotator [grant_type client_credentials, with a secret, scope api://AzureADTokenExchange/.default, for rotator-agent] -> 200\n\
         POST /contoso.onmicrosoft.com/oauth2/v2.0/token as client rotator-agent [grant_type client_credentials, scope api://AzureADTokenExchange/.default, with an assertion] -> 200\n\
         POST /contoso.onmicrosoft.com/oauth2/v2.0/token as client rotator-agent [grant_type user_fic, scope {azure-devops}/.default, with an assertion, with the agent identity's token, username agent@contoso.onmicrosoft.com] -> 200\n\
         POST /contoso.onmicrosoft.com/oauth2/v2.0/token as client rotator-agent [grant_type user_fic, scope {azure-devops}/.default, with an assertion, with the agent identity's token, user_id {agent}] -> 200\n"
    );
}

#[test]
fn no_token_of_the_chain_is_good_in_anothers_place() {
    let setting = Setting::new();
    let (first, second) = setting.tokens("rotator-agent");
    let (other_first, other_second) = setting.tokens("other-agent");
    let name = [("username", "agent@contoso.onmicrosoft.com")];
    let third = |tokens, more: &[(&str, &str)]| code(&setting.third("rotator-agent", tokens, more));
    assert_eq!(code(&setting.first(&setting.client("pat-publisher"))), (400, 700_016));
    assert_eq!(code(&setting.second("rotator-agent", &other_first)), (401, 700_213));
    assert_eq!(code(&setting.second("rotator-agent", &second)), (401, 700_213));
    assert_eq!(code(&setting.second("rotator-agent", "a.b.c")), (400, 50027));
    assert_eq!(code(&setting.second("pat-rotator", &first)), (401, 700_213));
    assert_eq!(third((&first, &other_second), &name), (400, 70021));
    assert_eq!(third((&first, &first), &name), (400, 70021));
    assert_eq!(third((&second, &second), &name), (401, 700_213));
    assert_eq!(third((&other_first, &second), &name), (401, 700_213));
    assert_eq!(third((&first, &second), &[("username", "other@contoso.onmicrosoft.com")]), (400, 70021));
    assert_eq!(third((&first, &second), &[("username", "rotator@contoso.onmicrosoft.com")]), (400, 70021));
    assert_eq!(third((&first, &second), &[("username", "x@contoso.onmicrosoft.com")]), (400, 50034));
    assert_eq!(third((&first, &second), &[("user_id", "agent@contoso.onmicrosoft.com")]), (400, 50034));
    assert_eq!(third((&first, &second), &[]), (400, 900_144));
    setting.sim.world().app_mut("rotator-agent").delegated.clear();
    assert_eq!(third((&first, &second), &name), (400, 65001));
    setting.sim.world().advance(jiff::SignedDuration::from_mins(61));
    assert_eq!(third((&first, &second), &name), (401, 700_024));
    assert!(setting.sim.take_problems().is_empty());
    let twice = [("username", "agent@contoso.onmicrosoft.com"), ("user_id", "x")];
    assert_eq!(third((&first, &second), &twice), (400, 90014));
    assert_eq!(third((&first, &second), &[("username", "x"), ("requested_token_use", "x")]), (400, 900_144));
    assert_eq!(setting.sim.take_problems().len(), 2);
}
