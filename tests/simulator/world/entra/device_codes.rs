//! Signing in on another device: a code for the person, one for the client, and polling.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{App, Clock, ids},
    EntraRefusal, Issued, World,
};

/// What every `slow_down` adds to the interval, after RFC 8628.
const SLOWER_BY: u64 = 5;

/// What has become of a device code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has entered it.
    Waiting,
    /// This user has signed in.
    SignedIn(String),
    /// The person did not want to.
    Declined,
    /// The client has its tokens.
    Redeemed,
}

/// Where Conditional Access stops the flow: no document says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFlowBlock {
    /// The person may sign in, and the client is refused.
    Client,
    /// The person sees the refusal, and the client waits until the code has ended.
    Person,
}

/// A device code.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    /// What the client polls with.
    pub value: String,
    /// What the person enters.
    pub user_code: String,
    /// When both end.
    pub expires: Timestamp,
    /// What has become of it.
    pub state: DeviceState,
    /// How often the client was told to poll less often.
    pub slowed: u64,
    tenant: String,
    app: String,
    scope: String,
    last_poll: Option<Instant>,
}

impl World {
    /// Starts a sign-in on another device.
    pub fn start_device_code(
        &mut self,
        tenant: &str,
        client_id: &str,
        scope: &str,
    ) -> Result<DeviceCode, EntraRefusal> {
        let tenant = self.known_tenant(tenant)?;
        let app = self.known_app(client_id, &tenant)?;
        // What was not consented to is told when the user is known.
        if let Err(refusal) = self.wanted(&app, scope)
            && refusal.code != 65001
        {
            return Err(refusal);
        }
        let number = self.count("device code");
        let value = ids::secret("simulated-device-", number, 140);
        self.remember(format!("device code {number}"), &value);
        let code = DeviceCode {
            value,
            user_code: ids::secret("SIM", number, 9).to_ascii_uppercase(),
            expires: self.now() + SignedDuration::from_secs(self.device_code_seconds),
            state: DeviceState::Waiting,
            slowed: 0,
            tenant,
            app: app.name,
            scope: scope.to_owned(),
            last_poll: None,
        };
        self.device_codes.push(code.clone());
        Ok(code)
    }

    /// A person enters the newest user code and signs in. An error is what the page shows.
    pub fn sign_in_on_device(&mut self, user: &str) -> Result<(), EntraRefusal> {
        let user = self.user(user).clone();
        if let Some(code) = user.refused_with {
            return Err(EntraRefusal::of_user(code));
        }
        if self.device_flow_blocked == Some(DeviceFlowBlock::Person) {
            return Err(EntraRefusal::of_user(53003));
        }
        self.answer_on_device(DeviceState::SignedIn(user.name));
        Ok(())
    }

    /// A person enters the newest user code and declines.
    pub fn decline_on_device(&mut self) {
        self.answer_on_device(DeviceState::Declined);
    }

    fn answer_on_device(&mut self, answer: DeviceState) {
        let now = self.now();
        let code = self.device_codes.last_mut().expect("a device code was asked for");
        assert!(code.expires > now && code.state == DeviceState::Waiting, "the user code is no longer good");
        code.state = answer;
    }

    pub(super) fn poll_device_code(&mut self, app: &App, value: &str, tenant: &str) -> Result<Issued, EntraRefusal> {
        let now = self.now();
        // How long a client waited can be measured only where its clock is the machine's.
        let measures = matches!(self.clock, Clock::Real(_));
        let (interval, scripted, block) = (self.device_interval, self.slow_downs > 0, self.device_flow_blocked);
        let is_theirs = |known: &DeviceCode| known.app == app.name && known.tenant == tenant;
        let known = self.device_codes.iter_mut().find(|known| known.value == value);
        let Some(known) = known.filter(|known| is_theirs(known) && known.state != DeviceState::Redeemed) else {
            let text = "The verification code specified is invalid or malformed.";
            return Err(EntraRefusal::new("bad_verification_code", 70018, text));
        };
        let shortest = Duration::from_secs(interval + SLOWER_BY * known.slowed);
        let hurried = measures && known.last_poll.is_some_and(|last| last.elapsed() < shortest);
        known.last_poll = Some(Instant::now());
        if known.expires <= now {
            let text = "The provided device code has expired. A new sign-in has to be started.";
            return Err(EntraRefusal::new("expired_token", 70019, text));
        }
        if hurried || scripted {
            // RFC 8628's word; that Entra uses it, and with which number, is not documented.
            known.slowed += 1;
            self.slow_downs = self.slow_downs.saturating_sub(1);
            let refusal = EntraRefusal::new("slow_down", 70016, "The device code is polled too often.");
            return Err(if hurried { refusal.violating() } else { refusal });
        }
        let user = match &known.state {
            DeviceState::SignedIn(_) if block.is_some() => return Err(EntraRefusal::of_user(53003)),
            DeviceState::SignedIn(user) => user.clone(),
            DeviceState::Declined => {
                let text = "The end user denied the authorization request.";
                return Err(EntraRefusal::new("authorization_declined", 65004, text));
            }
            _ => {
                let text =
                    "The provided request has not yet been authorized by the user. The user must input their code.";
                return Err(EntraRefusal::new("authorization_pending", 70016, text));
            }
        };
        known.state = DeviceState::Redeemed;
        let scope = known.scope.clone();
        self.issue_to_user(&user, app, &scope, tenant)
    }
}
