//! What is known before anything is changed: who the run acts for, which tokens there are, and what each place holds.

use crate::azure::connection_data::{self, ConnectionData};
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::pat::{OrganizationId, Pat};
use crate::model::timestamp::pluralize;
use crate::model::user::Identity;
use crate::plan::{Record, family, of_organization};
use crate::sign_in::{self, UserToken};

pub(super) struct Survey {
    pub(super) user: UserToken,
    /// The user that the token acts for.
    pub(super) owner: Option<Identity>,
    /// The id of the organization, where the organization says it.
    pub(super) organization: Option<OrganizationId>,
    /// Every active token of the user, in whichever organization.
    pub(super) listed: Vec<Pat>,
    /// What each place says it holds.
    pub(super) records: Vec<Record>,
}

/// Everything that only reads, and the refresh token that is kept fresh. The destinations are read by others than the
/// user, so their reading does not wait for the user's sign-in; where that fails, nobody waits for them.
pub(super) async fn survey(work: &RotationContext, destinations: &Destinations<'_>) -> Result<Survey, StepError> {
    let organization = &work.context.access.organization;
    let as_user = async {
        let user = sign_in::sign_in(&work.context).await?;
        let pats = work.pats(&user.token);
        let who = connection_data::ask(&work.context.http, organization, Auth::Bearer(&user.token));
        let (listing, who) = tokio::join!(pats.list(), who);
        Ok::<_, StepError>((user, listing, who))
    };
    let records = async { Ok(destinations.records().await) };
    let ((user, listing, who), records) = tokio::try_join!(as_user, records)?;
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) => {
            let advice = sign_in::explain_refusal(&work.context, &user, &error).await;
            let step = StepError::new(on(error, &format!("could not list the tokens in {organization}")));
            return Err(step.advise_if(advice));
        }
    };
    work.context.take_date(listing.date);
    let who = match who {
        Ok(who) => {
            if who.user.is_none() {
                work.context.console.say("note: the organization does not say who the token acts for");
            }
            who
        }
        // No document says whether a token with the two PAT scopes alone may ask who it acts for.
        Err(error) if error.is_about_signing_in() || error.refusal().is_some() => {
            work.context.console.say(&format!("note: could not learn who the token acts for: {error}"));
            ConnectionData::default()
        }
        Err(error) => {
            let what = format!("could not learn who the token acts for in {organization}");
            return Err(StepError::new(on(error, &what)));
        }
    };
    let records = records?;
    let ConnectionData { user: owner, organization: id } = who;
    let ours = of_organization(&listing.pats, id.as_ref());
    let name = &work.settings.request.name;
    let named = family(name, &ours).len();
    let total = pluralize(i64::try_from(ours.len()).unwrap_or(i64::MAX), "active token");
    work.context.console.say(&format!("found {total} in {organization}, {named} of them named {name}"));
    Ok(Survey { user, owner, organization: id, listed: listing.pats, records })
}
