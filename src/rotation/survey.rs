//! What is known before anything is changed: who the run acts for, which tokens there are, and what each place holds.

use crate::agent::logging_commands::Console;
use crate::azure::connection_data::{self, ConnectionData};
use crate::azure::pats::Listing;
use crate::context::{Context, RotationContext};
use crate::destinations::Destinations;
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::api_error::CallError;
use crate::model::marker::PatName;
use crate::model::pat::{OrganizationId, Pat};
use crate::model::timestamp::pluralize;
use crate::model::user::Identity;
use crate::plan::{Record, family, of_organization};
use crate::sign_in::{self, UserToken};

pub(super) struct Survey {
    pub(super) user: UserToken,
    pub(super) seen: AsUser,
    /// What each place says it holds.
    pub(super) records: Vec<Record>,
}

/// What an organization shows to the user.
pub(super) struct AsUser {
    /// The user that the token acts for.
    pub(super) owner: Option<Identity>,
    /// The id of the organization, where the organization says it.
    pub(super) organization: Option<OrganizationId>,
    /// Every active token of the user, in whichever organization.
    pub(super) listed: Vec<Pat>,
}

/// Everything that only reads, and the refresh token that is kept fresh. The destinations are read by others than the
/// user, so their reading does not wait for the user's sign-in; where that fails, nobody waits for them.
pub(super) async fn survey(work: &RotationContext, destinations: &Destinations<'_>) -> Result<Survey, StepError> {
    let as_user = async {
        let user = sign_in::sign_in(&work.context).await?;
        let pats = work.pats(&user.token);
        let who = connection_data::ask(&work.context.http, pats.organization, Auth::Bearer(&user.token));
        let (listing, who) = tokio::join!(pats.list(), who);
        Ok::<_, StepError>((user, listing, who))
    };
    let records = async { Ok(destinations.records().await) };
    let ((user, listing, who), records) = tokio::try_join!(as_user, records)?;
    let seen = read(&work.context, &user, listing, who).await?;
    let survey = Survey { user, seen, records: records? };
    tell(&work.context.console, &work.context, &survey.seen, Some(&work.settings.request.name));
    Ok(survey)
}

/// What an organization shows to a user who has signed in already.
pub(super) async fn ask(context: &Context, user: &UserToken) -> Result<AsUser, StepError> {
    let pats = context.pats(&user.token);
    let who = connection_data::ask(&context.http, pats.organization, Auth::Bearer(&user.token));
    let (listing, who) = tokio::join!(pats.list(), who);
    read(context, user, listing, who).await
}

async fn read(
    context: &Context,
    user: &UserToken,
    listing: Result<Listing, CallError>,
    who: Result<ConnectionData, CallError>,
) -> Result<AsUser, StepError> {
    let organization = &context.access.organization;
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) => {
            let advice = sign_in::explain_refusal(context, user, &error).await;
            let step = StepError::new(on(error, &format!("could not list the tokens in {organization}")));
            return Err(step.advise_if(advice));
        }
    };
    context.take_date(listing.date);
    let who = match who {
        Ok(who) => {
            if who.user.is_none() {
                context.console.say("note: the organization does not say who the token acts for");
            }
            who
        }
        // No document says whether a token with the two PAT scopes alone may ask who it acts for.
        Err(error) if error.is_about_signing_in() || error.refusal().is_some() => {
            context.console.say(&format!("note: could not learn who the token acts for: {error}"));
            ConnectionData::default()
        }
        Err(error) => {
            let what = format!("could not learn who the token acts for in {organization}");
            return Err(StepError::new(on(error, &what)));
        }
    };
    let ConnectionData { user: owner, organization } = who;
    Ok(AsUser { owner, organization, listed: listing.pats })
}

/// How many there are.
pub(super) fn tell(console: &Console, context: &Context, seen: &AsUser, name: Option<&PatName>) {
    let ours = of_organization(&seen.listed, seen.organization.as_ref());
    let total = pluralize(i64::try_from(ours.len()).unwrap_or(i64::MAX), "active token");
    let named = name.map(|name| format!(", {} of them named {name}", family(name, &ours).len())).unwrap_or_default();
    console.say(&format!("found {total} in {}{named}", context.access.organization));
}
