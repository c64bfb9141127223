//! OpenWrt's firewall, as far as a connection to the router meets it: the default rules, a port
//! 2222 that somebody opened, and what becomes of the rules of our service. Taken down from what
//! the real fw4 of 24.10.8 and 25.12.5 loads, which is the same there. Tests need no OpenWrt so.

use super::router::Router;

/// Loads what fw4 would load now.
pub fn load(router: &Router) {
    let rules = router.rules();
    let [lan, wan] = ["lan", "wan"].map(|zone| {
        let of_zone = |rule: &Rule| rule.word("src") == zone;
        let numbered = rules
            .lines()
            .zip(0..)
            .map(|(line, number)| Rule(line, number));
        let rules: Vec<_> = numbered.filter(of_zone).collect();
        let of_type = |kind: &str| {
            let lines = rules.iter().filter(|rule| rule.word("type") == kind);
            lines.map(Rule::nft).collect::<String>()
        };
        (of_type("rule"), of_type("redirect"))
    });
    let included = router.read("/var/run/waproxy.nft");
    let ruleset = format!(
        "
table inet fw4
flush table inet fw4
table inet fw4 {{
    {included}
    chain input {{
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state vmap {{ established : accept, related : accept }}
        tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
        iifname br-lan jump input_lan
        iifname wan jump input_wan
    }}
    chain syn_flood {{
        limit rate 25/second burst 50 packets return
        drop
    }}
    chain input_lan {{
        {}
        accept
    }}
    chain input_wan {{
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
        tcp dport 2222 accept
        {}
        ct status dnat accept
        meta l4proto tcp reject with tcp reset
    }}
    chain dstnat {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname br-lan jump dstnat_lan
        iifname wan jump dstnat_wan
    }}
    chain dstnat_lan {{
        {}
    }}
    chain dstnat_wan {{
        {}
    }}
}}",
        lan.0, wan.0, lan.1, wan.1
    );
    router.write("/var/ruleset", &ruleset);
    router.run(&["nft", "-f", "/var/ruleset"]).success();
}

/// A rule as the service has it: words `option=value`. And its number.
struct Rule<'a>(&'a str, u32);

impl Rule<'_> {
    fn word(&self, option: &str) -> &str {
        let value = |word: &'_ str| word.strip_prefix(option)?.strip_prefix('=').map(str::len);
        let word = self.0.split(' ').find(|word| value(word).is_some());
        word.map_or("", |word| &word[option.len() + 1..])
    }

    fn nft(&self) -> String {
        let is_redirect = self.word("type") == "redirect";
        let [address, port] = if is_redirect {
            ["src_dip", "src_dport"]
        } else {
            ["dest_ip", "dest_port"]
        }
        .map(|option| self.word(option));
        let family = if address.contains(':') { "ip6" } else { "ip" };
        let verdict = if is_redirect {
            format!("redirect to :{}", self.word("dest_port"))
        } else {
            "accept".to_owned()
        };
        let comment = format!("!fw4: ubus:waproxy {} {}", self.word("type"), self.1);
        format!("{family} daddr {address} tcp dport {port} {verdict} comment \"{comment}\"\n")
    }
}
