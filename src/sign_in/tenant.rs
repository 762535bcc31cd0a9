//! The tenant that user tokens come from.

use crate::azure::connection_data::{self, Tenant};
use crate::context::Context;
use crate::failure::{StepError, on};
use crate::http::Http;
use crate::model::organization::Organization;
use crate::model::service_connection::ServiceConnection;

pub const NEEDS_ENTRA: &str = "Connect the organization to a Microsoft Entra tenant: the PAT lifecycle API \
                                      needs Entra users. If it is connected, check `organization` and run again.";

/// The tenant that user tokens come from.
pub(super) async fn users_tenant(context: &Context) -> Result<Option<String>, StepError> {
    if let Some(tenant) = &context.access.tenant {
        return Ok(Some(tenant.clone()));
    }
    of_organization(&context.http, &context.access.organization).await
}

/// The tenant that an organization says it belongs to; `None` where it does not say.
pub async fn of_organization(http: &Http, organization: &Organization) -> Result<Option<String>, StepError> {
    match connection_data::tenant(http, organization).await {
        Ok(Tenant::Entra(tenant)) => Ok(Some(tenant)),
        Ok(Tenant::Untold) => Ok(None),
        Ok(Tenant::Missing) => {
            let error = anyhow::anyhow!(
                "the organization {organization} has no Entra tenant: it is backed by Microsoft accounts, or there is \
                 no organization of that name"
            );
            Err(StepError::new(error).advise(NEEDS_ENTRA))
        }
        Err(error) => {
            let what = format!("could not look up the tenant of {organization}");
            Err(StepError::new(on(error, &what)))
        }
    }
}

/// The tenant that user tokens come from, or else that of the connection's app.
pub(super) async fn tenant(context: &Context) -> Result<String, StepError> {
    if let Some(tenant) = users_tenant(context).await? {
        return Ok(tenant);
    }
    let app = context.access.connection.as_ref().and_then(ServiceConnection::app);
    app.map(|(tenant, _)| tenant.to_owned()).ok_or_else(|| {
        let error = anyhow::anyhow!("the tenant of the organization {} is unknown", context.access.organization);
        StepError::new(error).advise("Set `tenantId`, and check `organization`.")
    })
}
