//! The tokens of the account that signs in.

use crate::azure::connection_data;
use crate::context::{Work, on};
use crate::failure::Failure;
use crate::http::Auth;
use crate::model::inventory::Owner;
use crate::report::sheets::ReportWriter;
use crate::report::{Coverage, UNCHANGED};
use crate::sign_in;

/// Lists them.
///
/// # Errors
/// What failed.
pub(super) async fn gather(work: &Work, sheets: &mut ReportWriter<'_>) -> Result<Coverage, Failure> {
    let cancel = work.http.cancel();
    let (owner, pats) = tokio::select! {
        listed = list(work) => listed?,
        () = cancel.requested() => return Err(Failure::cancelled(UNCHANGED)),
    };
    sheets.add(&owner, &pats)?;
    Ok(Coverage { owners: 1, ..Coverage::default() })
}

async fn list(work: &Work) -> Result<(Owner, Vec<crate::model::inventory::ListedPat>), Failure> {
    let user = sign_in::sign_in(work).await?;
    let organization = &work.access.organization;
    let pats = work.pats(&user.token);
    let who = connection_data::identity(&work.http, organization, Auth::Bearer(&user.token));
    let (pats, who) = tokio::join!(pats.list_for_report(), who);
    let (pats, date) = match pats {
        Ok(listed) => listed,
        Err(error) => {
            let advice = sign_in::explain_refusal(work, &user, &error).await;
            let failure = Failure::new(on(error, &format!("could not list the tokens in {organization}")), UNCHANGED);
            return Err(failure.advise_if(advice));
        }
    };
    work.take_date(date);
    // Who it is, is good to know and no more.
    let who = who.unwrap_or_else(|error| {
        work.console.say(&format!("note: could not learn who the token acts for: {error}"));
        None
    });
    let claimed = user.claims.as_ref().and_then(|claims| claims.user()).map(str::to_owned);
    let (id, account) = who.map(|who| (who.id, who.account)).unwrap_or_default();
    let principal = claimed.or(Some(account)).filter(|name| !name.is_empty());
    Ok((Owner { id, principal, name: None, mail: None }, pats))
}
