//! The numbered reasons why Entra refuses, as its reference words them.

/// A refusal: the `error`, the `AADSTS` number and the sentence.
#[derive(Clone, Debug)]
pub struct EntraRefusal {
    /// The word that clients should branch on.
    pub error: &'static str,
    /// The `AADSTS` number.
    pub code: u32,
    /// The sentence after the number.
    pub text: String,
    /// A finer reason, where the service gives one.
    pub suberror: Option<&'static str>,
    /// No client may send what led to it.
    pub violation: bool,
}

impl EntraRefusal {
    pub fn new(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { error, code, text: text.into(), suberror: None, violation: false }
    }

    /// Something that no client may send.
    pub fn violating(mut self) -> Self {
        self.violation = true;
        self
    }

    /// A refusal of a user's sign-in, or of what is left of an earlier one, by number.
    pub fn of_user(code: u32) -> Self {
        let (text, suberror) = match code {
            50020 => (
                "User account '{EUII Hidden}' from identity provider does not exist in the tenant and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first.",
                None,
            ),
            50034 => (
                "The user account {EUII Hidden} does not exist in the directory. To sign into this application, the account must be added to the directory.",
                None,
            ),
            50053 => (
                "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
                None,
            ),
            50055 => ("The password is expired.", Some("user_password_expired")),
            50056 => ("Invalid or null password: password does not exist in the directory for this user.", None),
            50057 => ("The user account is disabled.", None),
            50072 => (
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.",
                Some("basic_action"),
            ),
            50074 => ("Strong Authentication is required.", Some("basic_action")),
            50076 => (
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
                Some("basic_action"),
            ),
            50078 => (
                "Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication to access the resource.",
                Some("basic_action"),
            ),
            50079 => (
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.",
                Some("basic_action"),
            ),
            50097 => ("Device authentication is required.", Some("additional_action")),
            50105 => (
                "Your administrator has configured the application to block users unless they are specifically granted ('assigned') access to the application. The signed in user is blocked because they are not a direct member of a group with access, nor had access directly assigned by an administrator.",
                None,
            ),
            50126 => ("Error validating credentials due to invalid username or password.", None),
            50132 => ("The session has been revoked, because the credentials have been revoked.", Some("bad_token")),
            50133 => {
                ("The session is not valid due to password expiration or recent password change.", Some("bad_token"))
            }
            50173 => (
                "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.",
                Some("bad_token"),
            ),
            53000 => ("Your device is required to be compliant to access this resource.", Some("message_only")),
            53001 => ("Your device is required to be domain joined to access this resource.", Some("message_only")),
            53002 => {
                ("The application used is not an approved application for Conditional Access.", Some("message_only"))
            }
            53003 => (
                "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
                Some("message_only"),
            ),
            530_032 => ("Access has been blocked by the tenant's security policy.", Some("message_only")),
            530_035 => (
                "Access has been blocked by security defaults. This is due to the request using legacy authentication or being deemed unsafe by security defaults policies. For additional information, please visit https://go.microsoft.com/fwlink/?linkid=2192646.",
                Some("message_only"),
            ),
            65001 => (
                "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.",
                Some("consent_required"),
            ),
            65004 => ("User declined to consent to access the app.", None),
            70008 => (
                "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
                Some("token_expired"),
            ),
            70043 => (
                "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
                Some("bad_token"),
            ),
            90094 => (
                "Admin consent is required for the permissions requested by this application.",
                Some("consent_required"),
            ),
            700_082 => (
                "The refresh token has expired due to inactivity. The token was issued on an earlier date and was inactive for 90.00:00:00.",
                Some("token_expired"),
            ),
            700_084 => (
                "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime of 1.00:00:00, which can't be extended.",
                Some("token_expired"),
            ),
            _ => ("Provided grant is invalid or malformed.", None),
        };
        Self { suberror, ..Self::new("invalid_grant", code, text) }
    }

    /// A refusal of an app, whatever it asks for, by number. Words as in the reference, where it has any.
    pub fn of_app(code: u32) -> Self {
        let (error, text) = match code {
            50166 | 90061 => ("invalid_request", "Request to External OIDC endpoint failed."),
            90033 => ("temporarily_unavailable", "A transient error has occurred. Please try again."),
            700_038 => ("unauthorized_client", "x is not a valid application identifier."),
            50196 => (
                "invalid_grant",
                "The server terminated an operation because it encountered a client request loop. Please contact your app vendor.",
            ),
            65002 => (
                "invalid_grant",
                "Consent between first party application 'x' and first party resource 'y' must be configured via preauthorization.",
            ),
            70001 | 7_000_112 => ("unauthorized_client", "The application is disabled."),
            70052 => ("unauthorized_client", "The application does not support users of several tenants."),
            90055 => ("temporarily_unavailable", "The tenant is throttled due to too many incoming requests."),
            650_056 => (
                "invalid_client",
                "Misconfigured application. This could be due to one of the following: the client has not listed any permissions in the requested permissions in the client's application registration. Or, the admin has not consented in the tenant.",
            ),
            650_057 => (
                "invalid_resource",
                "Invalid resource. The client has requested access to a resource which isn't listed in the requested permissions in the client's application registration.",
            ),
            700_223 | 700_238 => ("invalid_client", "Federated identity credentials are not allowed in this tenant."),
            700_229 => (
                "invalid_client",
                "Only app-only tokens can be used as federated identity credentials for this issuer.",
            ),
            900_382 | 900_432 => ("invalid_request", "Confidential clients are not supported in cross-cloud requests."),
            _ => ("invalid_client", "The application is refused."),
        };
        Self::new(error, code, text)
    }
}
