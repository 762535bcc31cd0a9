//! The tokens of the account that signs in.

use crate::azure::connection_data;
use crate::context::Context;
use crate::failure::{Failure, StepError, UNCHANGED, on};
use crate::http::Auth;
use crate::model::inventory::Owner;
use crate::report::coverage::Coverage;
use crate::report::writer::ReportWriter;
use crate::sign_in;

/// Lists them.
///
/// # Errors
/// What failed.
pub(super) async fn collect(context: &Context, sheets: &mut ReportWriter<'_>) -> Result<Coverage, Failure> {
    let cancel = context.http.cancel();
    let (owner, pats) = tokio::select! {
        listed = list(context) => listed.map_err(|error| error.now(UNCHANGED))?,
        () = cancel.requested() => return Err(StepError::cancelled().now(UNCHANGED)),
    };
    sheets.add(&owner, &pats)?;
    Ok(Coverage { owners: 1, ..Coverage::default() })
}

async fn list(context: &Context) -> Result<(Owner, Vec<crate::model::inventory::ListedPat>), StepError> {
    let user = sign_in::sign_in(context).await?;
    let organization = &context.access.organization;
    let pats = context.pats(&user.token);
    let who = connection_data::identity(&context.http, organization, Auth::Bearer(&user.token));
    let (pats, who) = tokio::join!(pats.list_for_report(), who);
    let (pats, date) = match pats {
        Ok(listed) => listed,
        Err(error) => {
            let advice = sign_in::explain_refusal(context, &user, &error).await;
            let step = StepError::new(on(error, &format!("could not list the tokens in {organization}")));
            return Err(step.advise_if(advice));
        }
    };
    context.take_date(date);
    // Who it is, is good to know and no more.
    let who = who.unwrap_or_else(|error| {
        context.console.say(&format!("note: could not learn who the token acts for: {error}"));
        None
    });
    let claimed = user.claims.as_ref().and_then(|claims| claims.user()).map(str::to_owned);
    let (id, account) = who.map(|who| (who.id, who.account)).unwrap_or_default();
    let principal = claimed.or(Some(account)).filter(|name| !name.is_empty());
    Ok((Owner { id, principal, name: None, mail: None }, pats))
}
