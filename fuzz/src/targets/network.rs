//! The agent's proxy and what bypasses it, and the machine's: no expression hangs, no password is shown.

use rotate_pat::agent::environment::Environment;
use rotate_pat::settings::read_network;
use url::Url;

const PASSWORD: &str = "hunter2hunter2";

pub(crate) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default().replace('\0', "");
    let (proxy, user, bypass, address) = (next(), next(), next(), next());
    let urls: Vec<Url> = ["https://dev.azure.com/contoso", "http://127.0.0.1:1/", "https://[::1]/", &address]
        .iter()
        .filter_map(|text| Url::parse(text).ok())
        .collect();
    for (proxy_is, bypass_is) in [("AGENT_PROXYURL", "AGENT_PROXYBYPASSLIST"), ("https_proxy", "no_proxy")] {
        let environment: Environment = [
            (proxy_is, proxy.as_str()),
            (bypass_is, &bypass),
            ("AGENT_PROXYUSERNAME", &user),
            ("SECRET_AGENT_PROXYPASSWORD", PASSWORD),
        ]
        .into_iter()
        .collect();
        match read_network(&environment) {
            Ok(network) => {
                let shown = format!("{network:?} {:?}", network.remarks());
                assert!(!shown.contains(PASSWORD), "{shown}");
                if let Some(proxy) = &network.proxy {
                    assert!(proxy.address.password().is_none(), "{proxy:?}");
                    urls.iter().for_each(|url| drop(proxy.takes(url).then(|| proxy.to_string())));
                    assert!(!proxy.takes(&urls[1]) && !proxy.takes(&urls[2]), "loopback is on this machine");
                }
            }
            Err(faults) => {
                let shown = faults.iter().map(ToString::to_string).collect::<String>();
                assert!(!shown.contains(PASSWORD) && !shown.chars().any(char::is_control), "{shown:?}");
            }
        }
    }
}
