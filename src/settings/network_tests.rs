use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn network(variables: &[(&str, &str)]) -> Network {
    let mut faults = Vec::new();
    let network = read(&environment(variables), &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    network
}

fn faults(variables: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    read(&environment(variables), &mut faults);
    faults.iter().map(Fault::to_string).collect()
}

fn takes(proxy: &Proxy, url: &str) -> bool {
    proxy.takes(&Url::parse(url).unwrap())
}

#[test]
fn the_agents_proxy_comes_before_the_machines() {
    let machines = ("HTTPS_PROXY", "http://machine:3128");
    let agents = ("AGENT_PROXYURL", "http://agent:8080/");
    for (variables, address) in [
        (&[machines][..], Some("http://machine:3128/")),
        (&[machines, agents], Some("http://agent:8080/")),
        (&[("all_proxy", "machine:3128")], Some("http://machine:3128/")),
        (&[("HTTP_PROXY", "http://machine:3128")], None),
        (&[], None),
    ] {
        let proxy = network(variables).proxy;
        assert_eq!(proxy.as_ref().map(|proxy| proxy.address.as_str()), address, "{variables:?}");
    }
}

#[test]
fn proxy_credentials_are_separate_from_its_address() {
    let url = ("AGENT_PROXYURL", "http://proxy:8080");
    let user = ("AGENT_PROXYUSERNAME", "agent");
    let password = ("SECRET_AGENT_PROXYPASSWORD", "hunter2-hunter2");
    let who = |variables: &[(&str, &str)]| {
        let credentials = network(variables).proxy.unwrap().credentials;
        credentials.map(|(user, password)| (user, password.reveal().to_owned()))
    };
    assert_eq!(who(&[url, user, password]), Some(("agent".to_owned(), "hunter2-hunter2".to_owned())));
    assert_eq!(who(&[url, user]), None);
    let embedded = ("HTTPS_PROXY", "http://me:p%40ss@proxy:8080");
    assert_eq!(who(&[embedded, user, password]), Some(("me".to_owned(), "p@ss".to_owned())));
    assert_eq!(network(&[embedded]).proxy.unwrap().address.as_str(), "http://proxy:8080/");
    assert!(!format!("{:?}", network(&[embedded])).contains("p@ss"));
}

#[test]
fn invalid_proxy_address_is_shown_without_its_password() {
    for variable in ["AGENT_PROXYURL", "HTTPS_PROXY"] {
        for (address, words) in [
            ("http://", "proxy.contoso.com:8080`; got "),
            ("http://pro xy", "proxy.contoso.com:8080`; got "),
            ("http://proxy:99999", "proxy.contoso.com:8080`; got "),
            ("ftp://proxy", "proxy.contoso.com:8080`; got "),
            ("socks5://proxy:1080", "SOCKS"),
            ("http://proxy/proxy.pac", "configuration script"),
            ("http://me:hunter2@", "; got a value with `@`, which is not shown"),
        ] {
            let found = faults(&[(variable, address)]);
            let [fault] = &found[..] else { panic!("{address}: {found:?}") };
            assert!(
                fault.starts_with(&format!("the agent's variable `{variable}` must be the address of a proxy")),
                "{fault}"
            );
            assert!(fault.contains(words) && !fault.contains("hunter2"), "{fault}");
        }
    }
}

#[test]
fn agents_bypass_list_has_expressions_on_scheme_host_and_port() {
    let list = r#"["dev\\.azure\\.com", "^https://.*\\.vault\\.azure\\.net$", "(?!x)y", "", "CONTOSO:8443"]"#;
    let network = network(&[("AGENT_PROXYURL", "http://proxy"), ("AGENT_PROXYBYPASSLIST", list)]);
    let proxy = network.proxy.as_ref().unwrap();
    for (url, is_taken) in [
        ("https://dev.azure.com/contoso", false),
        ("https://vssps.dev.azure.com/contoso", false),
        ("https://DEV.azure.com/", false),
        ("https://contoso-kv.vault.azure.net/secrets/a", false),
        ("https://contoso-kv.vault.azure.net.example/", true),
        ("https://login.microsoftonline.com/", true),
        ("https://contoso:8443/", false),
        ("https://contoso/", true),
        ("http://127.0.0.1:8080/", false),
        ("http://localhost/", false),
        ("http://169.254.169.254/metadata", false),
    ] {
        assert_eq!(takes(proxy, url), is_taken, "{url}");
    }
    let remarks = network.remarks();
    assert!(matches!(&remarks[..], [one] if one.contains("\"(?!x)y\"")), "{remarks:?}");
    assert_eq!(faults(&[("AGENT_PROXYURL", "http://proxy"), ("AGENT_PROXYBYPASSLIST", "dev.azure.com")]).len(), 1);
}

#[test]
fn no_proxy_has_hosts_and_domains_with_optional_port() {
    let list = ".vault.azure.net, *.microsoftonline.com,dev.azure.com:443 example.com:8443";
    let network = network(&[("HTTPS_PROXY", "http://proxy"), ("NO_PROXY", list)]);
    let proxy = network.proxy.as_ref().unwrap();
    for (url, is_taken) in [
        ("https://contoso-kv.vault.azure.net/", false),
        ("https://vault.azure.net/", false),
        ("https://evilvault.azure.net/", true),
        ("https://login.microsoftonline.com/", false),
        ("https://dev.azure.com/", false),
        ("https://vssps.dev.azure.com/", false),
        ("https://dev.azure.com:8443/", true),
        ("https://example.com/", true),
        ("https://example.com:8443/", false),
    ] {
        assert_eq!(takes(proxy, url), is_taken, "{url}");
    }
    let all = read(&environment(&[("HTTPS_PROXY", "http://proxy"), ("no_proxy", "*")]), &mut Vec::new());
    assert!(!takes(all.proxy.as_ref().unwrap(), "https://dev.azure.com/"));
}

#[test]
fn a_client_certificate_has_a_key() {
    let certificate = ("AGENT_CLIENTCERT", "/a/cert.pem");
    let key = ("AGENT_CLIENTCERTKEY", "/a/key.pem");
    assert!(network(&[certificate, key]).client.is_some());
    for (variables, named) in [
        (&[certificate][..], "AGENT_CLIENTCERTKEY"),
        (&[key], "AGENT_CLIENTCERT"),
        (&[("AGENT_CLIENTCERTARCHIVE", "/a/cert.pfx")], "AGENT_CLIENTCERT"),
    ] {
        let found = faults(variables);
        assert!(matches!(&found[..], [one] if one.contains(&format!("`{named}`"))), "{found:?}");
    }
}

#[test]
fn validation_is_skipped_only_if_the_agent_says_so_and_with_a_warning() {
    for (value, skips) in [("True", true), ("true", true), ("False", false), ("1", false)] {
        let network = network(&[("AGENT_SKIPCERTVALIDATION", value)]);
        assert_eq!(network.skip_validation, skips);
        assert_eq!(network.remarks().len(), usize::from(skips));
    }
}
