//! Where a channel may connect to. Pure, and the resolver that applies it to every connection.
//!
//! Invariant: the address is checked, not the name, and it is checked at connect time, so neither a
//! name that points inside nor one that changes between check and use (DNS rebinding) gets through.
//! Public addresses are allowed; loopback, link-local, private and every other special range only
//! when the configuration names them.

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// A network of addresses, `10.20.0.0/16` or one address; bits below the mask must be zero.
pub fn net(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    (net == net.trunc()).then_some(net)
}

const SPECIAL: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "relay anycast"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("2001::/32", "Teredo"),
    ("2001:db8::/32", "documentation"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
];

/// An IPv4 address wrapped into an IPv6 one (mapped, compatible, NAT64, 6to4) is judged as what it is.
fn unwrapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let s = v6.segments();
    let low = || Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7]));
    match s {
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => IpAddr::V4(low()),
        [0, 0, 0, 0, 0, 0, _, _] if v6 != Ipv6Addr::LOCALHOST && v6 != Ipv6Addr::UNSPECIFIED => IpAddr::V4(low()),
        [0x2002, high, low, ..] => IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        _ => ip,
    }
}

/// What the configuration allows.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Networks allowed beside the public ones; plain `http://` goes only there.
    pub allow: Vec<IpNet>,
}

impl Guard {
    /// Whether the configuration names this address.
    pub fn named(&self, ip: IpAddr) -> bool {
        let ip = unwrapped(ip);
        self.allow.iter().any(|net| net.contains(&ip))
    }

    /// Whether a channel may connect to this address.
    ///
    /// # Errors
    /// What kind of address it is.
    pub fn check(&self, ip: IpAddr) -> Result<(), &'static str> {
        let real = unwrapped(ip);
        if self.named(ip) {
            return Ok(());
        }
        let special = SPECIAL.iter().find(|(net, _)| net.parse::<IpNet>().is_ok_and(|net| net.contains(&real)));
        special.map_or(Ok(()), |(_, what)| Err(*what))
    }

    /// Whether a URL may be a channel's; names are judged when they are resolved.
    ///
    /// # Errors
    /// A sentence without the URL, which may be a secret.
    pub fn url(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("scheme {:?} is not https", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("user and password do not belong into the URL".to_owned());
        }
        if url.fragment().is_some() {
            return Err("a fragment (#...) does not belong into the URL".to_owned());
        }
        let ip = match url.host() {
            None => return Err("no host".to_owned()),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        };
        if url.scheme() == "http" && !self.named(ip) {
            return Err("http:// is only for addresses in allow_networks; use https://".to_owned());
        }
        self.check(ip).map_err(|what| format!("{ip} is a {what} address; allow it in allow_networks if it is meant"))
    }

    /// Addresses of a host that may be used; `plain`: only those the configuration names.
    ///
    /// # Errors
    /// A sentence, when none may be used.
    pub fn permitted(&self, found: Vec<SocketAddr>, plain: bool) -> Result<Vec<SocketAddr>, String> {
        let mut why = "the name has no address".to_owned();
        let mut good = Vec::new();
        for address in found {
            match self.check(address.ip()) {
                Ok(()) if plain && !self.named(address.ip()) => {
                    why = "http:// is only for addresses in allow_networks".to_owned();
                }
                Ok(()) => good.push(address),
                Err(what) => why = format!("{} is a {what} address", address.ip()),
            }
        }
        if good.is_empty() { Err(why) } else { Ok(good) }
    }
}

/// The resolver of every HTTP connection of a channel.
#[derive(Debug, Clone)]
pub struct GuardedResolver {
    /// What is allowed.
    pub guard: Arc<Guard>,
    /// For plain `http://`.
    pub plain: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let good = this.guard.permitted(found, this.plain)?;
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(guard: &Guard, ip: &str) -> Result<(), &'static str> {
        guard.check(ip.parse().expect("address"))
    }

    #[test]
    fn special_addresses_are_refused_in_every_disguise() {
        let guard = Guard::default();
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "::7f00:1",
            "2001:0:1::1",
        ] {
            assert!(verdict(&guard, ip).is_err(), "{ip}");
        }
        for ip in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::101:101", "::ffff:8.8.8.8"] {
            assert_eq!(verdict(&guard, ip), Ok(()), "{ip}");
        }
    }

    #[test]
    fn only_what_the_configuration_names_is_let_through() {
        let guard = Guard { allow: vec![net("10.20.0.0/16").expect("net")] };
        assert_eq!(verdict(&guard, "10.20.3.4"), Ok(()));
        assert_eq!(verdict(&guard, "::ffff:10.20.3.4"), Ok(()));
        assert!(verdict(&guard, "10.21.0.1").is_err());
        for bad in ["10.20.0.1/16", "10.0.0.0/33", "x", "10.0.0.0/-1", "", "::/129"] {
            assert_eq!(net(bad), None, "{bad}");
        }
        assert_eq!(net("10.20.0.9").map(|net| net.to_string()).as_deref(), Some("10.20.0.9/32"));
    }

    #[test]
    fn a_url_with_tricks_is_refused() {
        let guard = Guard { allow: vec![net("10.20.0.0/16").expect("net")] };
        let of = |text: &str| Url::parse(text).map_err(|e| e.to_string()).and_then(|url| guard.url(&url));
        for good in ["https://hooks.example/x?key=1", "http://10.20.0.9:8080/a", "https://8.8.8.8/"] {
            assert_eq!(of(good), Ok(()), "{good}");
        }
        for bad in [
            "http://8.8.8.8/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://u:p@hooks.example/",
            "ftp://hooks.example/",
            "file:///etc/passwd",
            "https://169.254.169.254/latest",
            "https://hooks.example/#x",
            "http://10.21.0.1/",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_points_inside_gives_no_address() {
        let guard = Guard { allow: vec![net("10.20.0.0/16").expect("net")] };
        let of = |ips: &[&str], plain| {
            let found = ips.iter().map(|ip| SocketAddr::new(ip.parse().expect("address"), 0)).collect();
            guard.permitted(found, plain).map(|good| good.len())
        };
        assert_eq!(of(&["8.8.8.8", "127.0.0.1"], false), Ok(1));
        assert!(of(&["127.0.0.1", "::1"], false).is_err());
        assert!(of(&["8.8.8.8"], true).is_err(), "plain http never leaves the networks named");
        assert_eq!(of(&["10.20.0.1"], true), Ok(1));
        assert!(of(&[], false).is_err());
    }
}
