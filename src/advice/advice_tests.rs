use super::*;

/// The answer of which a row is made, as it would be seen.
fn seen(answer: Answer) -> Seen<'static> {
    match answer {
        Answer::Code(code) => Seen::Refused { status: 418, code, message: "" },
        Answer::Says(message) => Seen::Refused { status: 418, code: "Some", message },
        Answer::Status(status) => Seen::Refused { status, code: "", message: "" },
        Answer::Busy => Seen::Refused { status: 503, code: "", message: "" },
        Answer::Silent => Seen::Refused { status: 418, code: "", message: "" },
        Answer::Other => Seen::Refused { status: 418, code: "", message: "Some." },
        Answer::SignInPage => Seen::SignInPage,
        Answer::NoConnection => Seen::NoConnection,
        Answer::NoAnswer => Seen::NoAnswer,
        Answer::Unclear => Seen::Unclear,
    }
}

#[test]
fn every_answer_of_every_row_finds_that_row() {
    for group in groups() {
        // No service but one lets what any service may answer through to the end.
        let service = group.service.unwrap_or(Service::Oidc);
        for row in group.rows {
            let by = row.by.first().copied();
            for answer in row.answers {
                if group.service.is_none() && *answer == Answer::SignInPage {
                    continue;
                }
                let found = of(service, by, seen(*answer)).unwrap();
                assert!(std::ptr::eq(found, row), "{answer} with {by:?} finds {:?}", found.means);
            }
        }
    }
}

#[test]
fn every_response_has_a_remedy() {
    for service in [
        Service::AzureDevOps,
        Service::Places,
        Service::Oidc,
        Service::Entra,
        Service::ManagedIdentity,
        Service::KeyVault,
    ] {
        for status in [200, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 418, 429, 500, 503] {
            assert!(of(service, None, Seen::Refused { status, code: "New", message: "" }).is_some(), "{service:?}");
        }
        for seen in [Seen::SignInPage, Seen::NoConnection, Seen::NoAnswer, Seen::Unclear] {
            assert!(of(service, None, seen).is_some(), "{service:?} {seen:?}");
        }
    }
}

#[test]
fn every_published_pat_token_error_has_a_row() {
    // Tokens 7.2, `SessionTokenError`, without `none`.
    let words = "displayNameRequired invalidDisplayName invalidValidTo invalidScope userIdRequired invalidUserId \
        invalidUserType accessDenied failedToIssueAccessToken failedToUpdateAccessToken invalidClient invalidClientType \
        invalidClientId invalidTargetAccounts hostAuthorizationNotFound authorizationNotFound sourceNotSupported \
        invalidSourceIP invalidSource duplicateHash sshPolicyDisabled invalidToken tokenNotFound \
        invalidAuthorizationId failedToReadTenantPolicy globalPatPolicyViolation fullScopePatPolicyViolation \
        patLifespanPolicyViolation invalidTokenType invalidAudience invalidSubject deploymentHostNotSupported \
        disablePatCreationPolicyViolation failedToReadOrgPolicy globalPATCreationBlocked expiredPatCannotBeExtended";
    assert_eq!(words.split_whitespace().count(), 36);
    for code in words.split_whitespace() {
        let row = of(Service::AzureDevOps, None, Seen::Refused { status: 200, code, message: "" }).unwrap();
        assert!(row.answers.contains(&Answer::Code(code)), "{code}: {}", row.means);
    }
}

#[test]
fn every_listed_entra_code_has_its_own_row() {
    let numbers = "50034 50053 50055 50056 50057 50126 50105 50072 50074 50076 50078 50079 53000 53001 53002 53003 \
        530032 50097 530035 70000 70008 700082 700084 70043 50173 50132 50133 65001 65002 65004 90094 650056 650057 \
        700016 700038 50166 90061 90033 90006 90012 90024 7000112 70001 7000215 7000222 7000218 700025 700027 700024 70021 700211 700213 70025 700223 700238 700229 \
        70011 500011 90002 70052 900382 900432 70016 70018 70019 50196 90055";
    for number in numbers.split_whitespace() {
        let code = format!("AADSTS{number}");
        let seen = Seen::Refused { status: 400, code: &code, message: "" };
        for by in [By::RefreshToken, By::Password, By::DeviceCode, By::Browser, By::AgentUser] {
            let row = of(Service::Entra, Some(by), seen).unwrap();
            // Only a refresh token can be no refresh token.
            let is_other = row.answers.contains(&Answer::Other);
            assert!(!is_other || (number == "70000" && by != By::RefreshToken), "{code} with {by}");
        }
    }
}

#[test]
fn a_remedy_is_one_sentence_that_begins_with_a_verb() {
    let nouns = ["The", "A", "An", "If", "There", "This", "You", "Try", "Please"];
    for row in groups().flat_map(|group| group.rows) {
        let remedy = row.remedy(Named::default());
        assert!(remedy.ends_with('.') && !remedy.contains(". "), "one sentence: {remedy}");
        assert!(!remedy.contains(['{', '}', '|', '!', '\n']), "{remedy}");
        assert!(remedy.starts_with(|first: char| first.is_ascii_uppercase()), "{remedy}");
        assert!(!nouns.contains(&remedy.split(' ').next().unwrap()), "{remedy}");
        assert!(!row.means.contains(['|', '.', '\n']) && !row.means.is_empty(), "{}", row.means);
    }
    let named = Named { user: Some("r@contoso.com"), writer: Some("the job"), role: Some("the role Creator") };
    let row = of(Service::AzureDevOps, None, Seen::Refused { status: 401, code: "TF401444", message: "" }).unwrap();
    assert!(row.remedy(named).starts_with("Let the rotating user r@contoso.com sign in"));
    let row = of(Service::Places, None, Seen::Refused { status: 403, code: "", message: "" }).unwrap();
    assert_eq!(row.remedy(named), "Give the job the role Creator.");
}

#[test]
fn run_again_is_the_remedy_only_for_errors_that_pass() {
    let may = [
        "the job's own token was rejected, or has expired",
        "too many requests to the vault",
        "too many requests by that user or pipeline",
        "too many requests by that identity",
        "too many requests by that account",
        "the token has expired or was revoked",
        "the service failed",
        "the response was lost, or did not arrive in time",
        "the service is temporarily unavailable",
        "Entra is temporarily unavailable",
        "the code has expired, or was not entered",
        "the account is locked, or the address is blocked",
        "the machine's metadata service is being updated",
    ];
    for row in groups().flat_map(|group| group.rows) {
        let says_so = row.remedy.to_lowercase().contains("again") && row.remedy.to_lowercase().contains("run");
        assert_eq!(says_so, may.contains(&row.means), "{}: {}", row.means, row.remedy);
    }
}
