//! Service connections: what each kind needs, and which cloud it is in.

use super::*;
use crate::model::service_connection::{IdentityEndpoint, Proof, Scheme, ServiceConnection};

fn scheme() -> String {
    format!("ENDPOINT_AUTH_SCHEME_{CONNECTION}")
}

fn parameter(name: &str) -> String {
    format!("ENDPOINT_AUTH_PARAMETER_{CONNECTION}_{name}")
}

fn data(name: &str) -> String {
    format!("ENDPOINT_DATA_{CONNECTION}_{name}")
}

fn connection_of(changes: &[(&str, &str)]) -> ServiceConnection {
    access(changes).connection.unwrap()
}

#[test]
fn each_kind_proves_itself_in_its_own_way() {
    let proof = |changes: &[(&str, &str)]| match connection_of(changes).scheme {
        Scheme::App { proof, .. } => proof,
        other => panic!("{other:?}"),
    };
    let (scheme, key) = (scheme(), parameter("SERVICEPRINCIPALKEY"));
    assert!(matches!(proof(&[(&scheme, "workloadidentityfederation")]), Proof::WorkloadIdentityFederation));
    let by_secret = proof(&[(&scheme, "ServicePrincipal"), (&key, "a-client-secret")]);
    assert!(matches!(by_secret, Proof::Secret(secret) if secret.reveal() == "a-client-secret"));
}

#[test]
fn what_a_kind_lacks_is_named() {
    let (scheme, key, kind) = (scheme(), parameter("SERVICEPRINCIPALKEY"), parameter("AUTHENTICATIONTYPE"));
    let certificate = parameter("SERVICEPRINCIPALCERTIFICATE");
    let by_certificate = [(&scheme[..], "ServicePrincipal"), (&kind, "spnCertificate")];
    let certificate_alone = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----";
    for (wrong, words) in [
        (&[(&scheme[..], "ServicePrincipal")][..], "with a client secret"),
        (&[by_certificate[0], by_certificate[1], (&key, "a-client-secret")], "with a certificate"),
        (&[by_certificate[0], by_certificate[1], (&certificate, certificate_alone)], "a private key beside"),
        (&[by_certificate[0], by_certificate[1], (&certificate, "hunter2")], "a private key beside"),
        (&[(&scheme, "UsernamePassword")], "; got the kind"),
        (&[(&parameter("TENANTID"), "")], "with a tenant id"),
        (&[(&parameter("SERVICEPRINCIPALID"), " ")], "with an app's client id"),
        (&[(&data("ENVIRONMENTAUTHORITYURL"), "https://login.evil.example/")], "login.evil.example"),
        (&[(&data("ENVIRONMENT"), "AzureStack")], "\"AzureStack\""),
        (&[(&scheme, "ManagedServiceIdentity"), ("IDENTITY_ENDPOINT", "http://localhost:40342/x")], "Azure Arc"),
        (
            &[
                (&scheme, "ManagedServiceIdentity"),
                ("IDENTITY_ENDPOINT", "http://evil.example/x"),
                ("IDENTITY_HEADER", "hunter2"),
            ],
            "`IDENTITY_ENDPOINT` is local",
        ),
    ] {
        assert_eq!(inputs_at_fault(wrong), ["serviceConnection"], "{wrong:?}");
        let text = faults(wrong).concat();
        assert!(text.contains(words) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_managed_identity_is_asked_for_on_the_machine_and_is_no_app_of_a_user() {
    let (scheme, client) = (scheme(), data("MSICLIENTID"));
    let identity = (&scheme[..], "ManagedServiceIdentity");
    let Scheme::ManagedIdentity { endpoint, client: None } = connection_of(&[identity]).scheme else { panic!() };
    assert!(matches!(endpoint, IdentityEndpoint::Metadata(url) if url.as_str() == "http://169.254.169.254/"));
    let service = [
        identity,
        (&client, GUID),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token"),
        ("IDENTITY_HEADER", "h"),
    ];
    let Scheme::ManagedIdentity { endpoint, client: Some(id) } = connection_of(&service).scheme else { panic!() };
    assert!(matches!(endpoint, IdentityEndpoint::AppService(url, _) if url.path() == "/msi/token"));
    assert_eq!(id, GUID);
    let user = ("INPUT_USERNAME", "rotator@contoso.com");
    for source in [("INPUT_ENTRAAGENTID", GUID), ("INPUT_PASSWORD", "p"), ("INPUT_COMMAND", "signIn")] {
        let store = if source.1 == "signIn" { STORE } else { "" };
        let changes = [identity, source, user, ("INPUT_REFRESHTOKENSECRET", store)];
        assert_eq!(inputs_at_fault(&changes), ["clientId"], "{source:?}");
    }
}

#[test]
fn the_login_host_is_that_of_the_connections_cloud_and_on_loopback_its_own() {
    let (authority, cloud) = (data("ENVIRONMENTAUTHORITYURL"), data("ENVIRONMENT"));
    let at = |changes: &[(&str, &str)]| connection_of(changes).authority.to_string();
    assert_eq!(at(&[]), "https://login.microsoftonline.com/");
    for (name, value, host) in [
        (&authority, "https://login.windows.net/", "login.microsoftonline.com"),
        (&authority, "https://login.microsoftonline.us/", "login.microsoftonline.us"),
        (&authority, "https://login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn"),
        (&cloud, "AzureCloud", "login.microsoftonline.com"),
        (&cloud, "AzureUSGovernment", "login.microsoftonline.us"),
        (&cloud, "azurechinacloud", "login.partner.microsoftonline.cn"),
    ] {
        assert_eq!(at(&[(name, value)]), format!("https://{host}/"), "{value}");
    }
    for (named, host, own) in [
        ("AzureChinaCloud", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
        ("AzureUSGovernment", "login-us.microsoftonline.com", "login.microsoftonline.us"),
        ("AzureUSGovernment", "sts.windows.net", "login.microsoftonline.us"),
        ("AzureUSGovernment", "login.windows.net", "login.microsoftonline.us"),
        ("AzureCloud", "sts.windows.net/0b5e6b1c-1f1f-4ef2-8a3f-2b1a6e0c7d11", "login.microsoftonline.com"),
        ("AzureStack", "login.windows.net", "login.microsoftonline.com"),
    ] {
        let url = format!("https://{host}/");
        assert_eq!(at(&[(&authority, &url), (&cloud, named)]), format!("https://{own}/"), "{named} {host}");
    }
    assert_eq!(at(&[(&authority, "https://login.chinacloudapi.cn/")]), "https://login.partner.microsoftonline.cn/");
    assert_eq!(at(&[("ENDPOINT_URL_SYSTEMVSSCONNECTION", "http://127.0.0.1:9/contoso/")]), "http://127.0.0.1:9/");
}

#[test]
fn users_of_azure_devops_sign_in_to_the_public_cloud_whatever_the_connections_cloud_is() {
    let access = access(&[(&data("ENVIRONMENT"), "AzureUSGovernment")]);
    assert_eq!(access.organization.login().as_str(), "https://login.microsoftonline.com/");
}

#[test]
fn a_vault_is_in_the_connections_cloud_and_its_token_is_for_that_cloud() {
    let cloud = data("ENVIRONMENT");
    for (environment, suffix) in [
        ("AzureCloud", "vault.azure.net"),
        ("AzureUSGovernment", "vault.usgovcloudapi.net"),
        ("AzureChinaCloud", "vault.azure.cn"),
    ] {
        for own in ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn"] {
            let address = format!("https://contoso-kv.{own}/secrets/refresh");
            let place = format!("https://contoso-kv.{own}/secrets/nuget-pat");
            let changes =
                [(&cloud[..], environment), ("INPUT_REFRESHTOKENSECRET", &address), ("INPUT_PUBLISHTO", &place)];
            let expected: &[&str] = if own == suffix { &[] } else { &["publishTo", "refreshTokenSecret"] };
            assert_eq!(inputs_at_fault(&changes), expected, "{environment} {own}");
            if own == suffix {
                let Source::RefreshTokenSecret(secret) = access(&changes).source else { panic!("a vault") };
                assert_eq!(secret.scope(), format!("https://{own}/.default"));
            }
        }
    }
    let short = [(&cloud[..], "AzureUSGovernment"), ("INPUT_PUBLISHTO", "keyVault: contoso-kv/nuget-pat")];
    let text = faults(&short).concat();
    assert!(text.contains("; got \"contoso-kv.vault.azure.net\""), "{text}");
}
