//! The command `report`: lists tokens that expire soon, and their owners. Changes nothing.

mod collect;
pub mod coverage;
pub mod finding;
mod json;
mod junit;
mod markdown;
mod own;
mod people;
mod progress;
mod row;
mod table;
mod tally;
pub mod throttle;
mod writer;

use self::writer::ReportWriter;
use crate::context::Context;
use crate::failure::Failure;
use crate::settings::{ReportScope, ReportSettings};

/// Fails if the report fails, or if `failOn` applies.
pub async fn run(context: &Context, settings: &ReportSettings) -> Result<(), Failure> {
    let mut sheets = ReportWriter::open(context, settings)?;
    let gathered = match settings.scope {
        ReportScope::Own => own::collect(context, settings, &mut sheets).await,
        ReportScope::Organization => collect::collect(context, settings, &mut sheets).await,
    };
    match gathered {
        Ok(reach) => sheets.finish(reach),
        Err(failure) => {
            sheets.discard();
            Err(failure)
        }
    }
}
