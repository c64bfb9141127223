//! Sections in, UCI text out: in one of the many ways in which hands, LuCI and `uci` write them.

use std::collections::{BTreeMap, VecDeque};

use waproxy::config::uci::Section;

use crate::support::random::Random;

/// The same text for the same seed.
pub fn spelt(sections: &[Section], seed: u64) -> String {
    let mut speller = Speller {
        random: Random::new(seed),
        text: String::new(),
    };
    let mut kinds = BTreeMap::<_, VecDeque<_>>::new();
    for section in sections {
        kinds.entry(&section.kind).or_default().push_back(section);
    }
    // What is of one kind has an order.
    for section in speller.shuffled(kinds.into_values().collect()) {
        speller.section(section);
    }
    speller.text
}

/// Words for yes and no, of which any will do.
const YES: [&str; 5] = ["1", "on", "true", "yes", "enabled"];
const NO: [&str; 5] = ["0", "off", "false", "no", "disabled"];

/// Flags of which absent means no, and of which it means what is shipped.
const OFF: [&str; 3] = ["tls", "accept_proxy", "allow_private"];
const SHIPPED: [&str; 2] = ["enabled", "firewall"];

/// Lists of what has no blanks in it, which may be options with blanks between.
const SPLIT: [&str; 2] = ["address", "trusted_proxy"];

struct Speller {
    random: Random,
    text: String,
}

impl Speller {
    fn section(&mut self, section: &Section) {
        let Section { kind, name, .. } = section;
        let name = (!name.starts_with('@')).then_some(name.as_str());
        self.statement("config", kind, name);
        let options = section.options.iter();
        let lines = options.map(|(name, values)| self.lines(name, values));
        let lines = lines.collect();
        for (keyword, name, value) in self.shuffled(lines) {
            self.statement(keyword, name, Some(&value));
        }
    }

    /// The lines of an option, as keyword, name and value.
    fn lines<'a>(
        &mut self,
        name: &'a str,
        values: &[String],
    ) -> VecDeque<(&'static str, &'a str, String)> {
        let mut values = values.to_vec();
        if OFF.contains(&name) && values == ["0"] && self.one_in(2) {
            return VecDeque::new();
        }
        if OFF.contains(&name) || SHIPPED.contains(&name) {
            let words = if values == ["0"] { NO } else { YES };
            values = vec![words[self.below(words.len())].to_owned()];
        }
        if SPLIT.contains(&name) && self.one_in(3) {
            values = vec![values.join(" ")];
        }
        if values.len() > 1 || self.one_in(3) {
            return values.into_iter().map(|v| ("list", name, v)).collect();
        }
        let mut lines: VecDeque<_> = values.into_iter().map(|v| ("option", name, v)).collect();
        if self.one_in(6) {
            // The last one counts.
            lines.push_front(("option", name, "before".to_owned()));
        }
        if self.one_in(6) {
            // But for one that is empty.
            lines.push_back(("option", name, String::new()));
        }
        lines
    }

    fn statement(&mut self, keyword: &str, name: &str, value: Option<&str>) {
        while self.one_in(4) {
            self.blanks(0);
            self.write_any(&["\n", "\r\n", "# option it's \"\\\n"]);
        }
        self.blanks(0);
        self.write_any(&[keyword, keyword, &keyword[..1]]);
        for word in [Some(name), value].into_iter().flatten() {
            self.blanks(1);
            self.word(word);
        }
        self.blanks(0);
        self.write_any(&["", "\r", " # why 'not'"]);
        self.text += "\n";
    }

    /// In quotes, without, or in both.
    fn word(&mut self, word: &str) {
        if word.is_empty() {
            self.write_any(&["''", "\"\""]);
        }
        let chars: Vec<_> = word.chars().collect();
        let mut rest = &chars[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + self.below(rest.len()));
            rest = after;
            match self.below(3) {
                0 if !piece.contains(&'\'') => {
                    self.text.push('\'');
                    self.text.extend(piece);
                    self.text.push('\'');
                }
                1 => {
                    self.text.push('"');
                    self.escaped(piece, "\"\\");
                    self.text.push('"');
                }
                _ => self.escaped(piece, " '\"\\;#"),
            }
        }
    }

    /// What must be escaped, and a little more.
    fn escaped(&mut self, piece: &[char], must: &str) {
        for c in piece {
            if must.contains(*c) || self.one_in(16) {
                self.text.push('\\');
            }
            self.text.push(*c);
        }
    }

    fn write_any(&mut self, of: &[&str]) {
        let i = self.below(of.len());
        self.text += of[i];
    }

    /// This many or more.
    fn blanks(&mut self, least: usize) {
        for _ in 0..least + self.below(3) {
            self.write_any(&[" ", "\t"]);
        }
    }

    /// All of them, each queue in its order.
    fn shuffled<T>(&mut self, mut queues: Vec<VecDeque<T>>) -> Vec<T> {
        let mut all = Vec::new();
        loop {
            queues.retain(|queue| !queue.is_empty());
            if queues.is_empty() {
                return all;
            }
            let queue = self.below(queues.len());
            all.extend(queues[queue].pop_front());
        }
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.random.below(many) == 0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap()
    }
}
