//! The tokens of the account that signs in.

use tokio::time::sleep;

use crate::azure::connection_data;
use crate::context::Context;
use crate::failure::{Failure, StepError, UNCHANGED, on};
use crate::http::Auth;
use crate::model::inventory::{ListedPat, Owner};
use crate::report::collect::out_of_time;
use crate::report::coverage::Coverage;
use crate::report::writer::ReportWriter;
use crate::settings::ReportSettings;
use crate::sign_in;

pub(super) async fn collect(
    context: &Context,
    settings: &ReportSettings,
    sheets: &mut ReportWriter<'_>,
) -> Result<Coverage, Failure> {
    let cancel = context.http.cancel();
    let limit = context.http.limits().minute * u32::from(settings.max_minutes);
    let (owner, pats, unread_tokens) = tokio::select! {
        listed = list(context) => listed.map_err(|error| error.now(UNCHANGED))?,
        () = cancel.requested() => return Err(StepError::cancelled().now(UNCHANGED)),
        () = sleep(limit) => return Err(out_of_time(settings, "the list of tokens was not complete by then")),
    };
    sheets.add(&owner, &pats)?;
    Ok(Coverage { owners: 1, unread_tokens, ..Coverage::default() })
}

async fn list(context: &Context) -> Result<(Owner, Vec<ListedPat>, usize), StepError> {
    let user = sign_in::sign_in(context).await?;
    let organization = &context.access.organization;
    let pats = context.pats(&user.token);
    let who = connection_data::identity(&context.http, organization, Auth::Bearer(&user.token));
    let pats = async {
        let (pats, unread, date) = pats.list_for_report().await?;
        context.take_date(date);
        Ok((pats, unread))
    };
    let (pats, who) = tokio::join!(pats, who);
    let (pats, unread) = match pats {
        Ok(read) => read,
        Err(error) => {
            let advice = sign_in::explain_refusal(context, &user, &error).await;
            let step = StepError::new(on(error, &format!("could not list the tokens in {organization}")));
            return Err(step.advise_if(advice));
        }
    };
    // The owner is only shown: the report does not depend on it.
    let who = who.unwrap_or_else(|error| {
        context.console.say(&format!("note: could not learn who the token acts for: {error}"));
        None
    });
    let claimed = user.claims.as_ref().and_then(|claims| claims.user()).map(str::to_owned);
    let (id, account) = who.map(|who| (who.id, who.account)).unwrap_or_default();
    let principal = claimed.or(Some(account)).filter(|name| !name.is_empty());
    Ok((Owner { id, principal, ..Owner::default() }, pats, unread))
}
