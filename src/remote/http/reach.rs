//! Where a request may go: which URLs are spoken to at all, and which addresses a name may mean.
//!
//! Base URLs come from the configuration, but a name's addresses come from DNS. The addresses that
//! pass here are the very ones connected to, so a name cannot point somewhere else a moment later.
//! Private networks stay reachable, because a CRM on the premises lives there; link-local ones do
//! not, because nothing lives there but cloud metadata services.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::remote::transport::TransportError;

/// The URL of a request, if it may be sent: `https`, or `http` to this machine; no user info; no
/// forbidden literal address.
pub(super) fn permitted(uri: &http::Uri) -> Result<Url, TransportError> {
    let refuse = |why: &str| TransportError::NotSent(why.to_owned());
    // The text is not repeated in the error: its query may be confidential.
    let url = Url::parse(&uri.to_string()).map_err(|_| refuse("the URL is malformed"))?;
    let host = url.host().ok_or_else(|| refuse("the URL names no host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("the URL carries user info"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        "http" => return Err(refuse("plain http is spoken to this machine only; use https")),
        _ => return Err(refuse("only https is spoken")),
    }
    let address = match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
    };
    if address.is_some_and(is_forbidden) {
        return Err(refuse("link-local and multicast addresses are not contacted"));
    }
    Ok(url)
}

/// Whether `host` is this machine.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Addresses at which no business system can be: unspecified, link-local (cloud metadata), multicast
/// and broadcast; also when written as IPv4 inside IPv6.
fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast(),
    }
}

/// The system's resolver, minus forbidden addresses. `localhost` always means this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let local_only = name.as_str().eq_ignore_ascii_case("localhost");
            // Port 0 is replaced by the URL's port.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = allowed(found, local_only);
            if allowed.is_empty() {
                return Err("the name has no address that may be contacted".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn allowed(found: Vec<SocketAddr>, local_only: bool) -> Vec<SocketAddr> {
    found.into_iter().filter(|at| !is_forbidden(at.ip()) && (!local_only || at.ip().is_loopback())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Url, TransportError> {
        permitted(&text.parse().unwrap())
    }

    #[test]
    fn https_anywhere_and_http_only_to_this_machine() {
        for ok in ["https://api.example.com/x?y=1", "http://127.0.0.1:8/x", "http://localhost/", "http://[::1]:9/"] {
            assert!(check(ok).is_ok(), "{ok}");
        }
        for bad in [
            "http://api.example.com/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "ftp://localhost/",
            "https://user@api.example.com/",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://0.0.0.0/",
            "/only/a/path",
        ] {
            assert!(matches!(check(bad), Err(TransportError::NotSent(_))), "{bad}");
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_the_query() {
        let error = check("http://api.example.com/x?token=s3cret").unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
    }

    #[test]
    fn names_that_mean_forbidden_addresses_resolve_to_nothing() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = addresses(&["169.254.169.254:0", "93.184.216.34:0", "127.0.0.1:0"]);
        assert_eq!(allowed(found.clone(), false), addresses(&["93.184.216.34:0", "127.0.0.1:0"]));
        assert_eq!(allowed(found, true), addresses(&["127.0.0.1:0"]));
    }
}
