//! What root alone can see of the router: the lines of `look.sh` in, what they mean for people who come
//! out. Lines that are not known say nothing.

use super::{Done, Failed};

/// Whether fw4 has loaded what the service asked for; none where nobody has looked.
pub(super) fn firewall(facts: &str) -> Option<Result<Done<()>, Failed>> {
    let [loaded, asked] = facts_of(facts, "rules").next()?;
    let (loaded, asked): (u32, u32) = (loaded.parse().ok()?, asked.parse().ok()?);
    let is_shared = facts_of(facts, "syn_limit").any(|[whose]| whose == "shared");
    let what = format!("{loaded} of {asked} rules are loaded");
    Some(match (asked, loaded) {
        (0, _) => Ok(Done::new("waproxy asks for no rules", ())),
        (_, 0) => Err(Failed::because(
            what,
            "the firewall has not taken what opens the ports: service firewall restart",
        )),
        _ => Ok(Done {
            what,
            warning: if loaded < asked {
                Some(
                    "not all people may come in: service firewall restart; what is for a zone that is not there \
                     is never loaded"
                        .to_owned(),
                )
            } else {
                is_shared.then(|| {
                    "its limit of new connections, 25 a second as shipped, is one for all ports: many who \
                     come back at once must wait"
                        .to_owned()
                })
            },
            value: (),
        }),
    })
}

/// Whether answers leave by the device that people come in by; none where nobody has looked. One way is
/// enough: a modem's own network may lie in the zone too, or a second line that nobody uses.
pub(super) fn answers(facts: &str) -> Option<Result<Done<()>, Failed>> {
    let ways: Vec<[&str; 3]> = facts_of(facts, "way").collect();
    let same = ways.iter().find(|[_, came, leaves]| came == leaves);
    let [_, came, leaves] = same.or(ways.first())?;
    // What is asked for a way has no mark that answers may have.
    let has_marks = facts.lines().any(|line| line == "marks");
    if same.is_none() && !has_marks {
        return Some(Err(Failed::because(
            format!("come in by {came}, leave by {leaves}"),
            "a VPN or a policy of routes takes the answers: have it leave out what this router itself answers",
        )));
    }
    Some(Ok(Done {
        what: format!("leave by {leaves}"),
        warning: has_marks.then(|| {
            "mwan3 or another policy chooses ways by marks: see that answers leave by the way that people \
             come in"
                .to_owned()
        }),
        value: (),
    }))
}

/// The words of each line that begins with `name` and has `N` more.
fn facts_of<'a, const N: usize>(facts: &'a str, name: &str) -> impl Iterator<Item = [&'a str; N]> {
    facts.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == name).then_some(())?;
        words.collect::<Vec<_>>().try_into().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(found: Option<Result<Done<()>, Failed>>) -> Option<(String, Option<String>)> {
        found.map(|found| match found {
            Ok(done) => (done.what, done.warning),
            Err(failed) => (failed.what, Some(failed.cause.to_owned())),
        })
    }

    fn warns(found: Option<Result<Done<()>, Failed>>, word: &str) -> bool {
        let (_, cause) = told(found).unwrap();
        cause.unwrap().contains(word)
    }

    #[test]
    fn rules_that_are_not_loaded_are_told() {
        assert!(firewall("rules 0 3\nsyn_limit none\n").unwrap().is_err());
        assert!(warns(firewall("rules 2 3\nsyn_limit own\n"), "restart"));
        let (what, cause) = told(firewall("rules 3 3\nsyn_limit own\n")).unwrap();
        assert_eq!((&*what, cause), ("3 of 3 rules are loaded", None));
        let (what, cause) = told(firewall("rules 0 0\nsyn_limit shared\n")).unwrap();
        assert_eq!((&*what, cause), ("waproxy asks for no rules", None));
    }

    #[test]
    fn a_limit_that_all_ports_share_is_told() {
        assert!(warns(
            firewall("rules 3 3\nsyn_limit shared\n"),
            "25 a second"
        ));
    }

    #[test]
    fn answers_that_leave_by_another_way_are_told() {
        let (same, other) = ("way 192.0.2.1 wan wan\n", "way 192.0.2.2 wanb wg0\n");
        assert_eq!(told(answers(same)), Some(("leave by wan".into(), None)));
        let both = format!("{other}{same}");
        assert_eq!(told(answers(&both)), Some(("leave by wan".into(), None)));
        assert!(answers(other).unwrap().is_err());
        for ways in [same, other] {
            let with_marks = answers(&format!("{ways}marks\n"));
            assert!(with_marks.as_ref().unwrap().is_ok());
            assert!(warns(with_marks, "mwan3"));
        }
    }

    #[test]
    fn where_nobody_has_looked_nothing_is_said() {
        for facts in [
            "",
            "rules",
            "rules x 1",
            "rules 1",
            "way 192.0.2.1 wan",
            "?",
        ] {
            assert!(firewall(facts).is_none(), "{facts}");
            assert!(answers(facts).is_none(), "{facts}");
        }
    }
}
