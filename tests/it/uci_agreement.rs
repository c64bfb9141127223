//! Our reading of UCI files against that of the real `uci`.
//!
//! What `uci` refuses, we refuse. What it loads, we load with the same sections, options and
//! values, or refuse for one of the reasons that [`Fault::is_ours`] lists. Two differences are
//! meant and levelled out: empty values are nothing, and what a list repeats counts once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc;
use std::thread;

use waproxy::config::uci::{self, Content, Section};
use waproxy::config::{self, DEFAULT};

use crate::support::uci::{PATIENCE, export, package};

#[test]
fn the_corpus_is_read_alike() {
    let (names, texts): (Vec<_>, Vec<_>) = corpus().into_iter().unzip();
    let verdicts = verdicts(&texts);
    for ((name, text), verdict) in names.iter().zip(&texts).zip(&verdicts) {
        let text = String::from_utf8_lossy(text);
        let expected = match name.split('-').next() {
            Some("valid" | "odd") => Verdict::Same,
            Some("refused") => Verdict::OursRefuses,
            Some("broken") => Verdict::BothRefuse,
            _ => panic!("{name}: does not say what becomes of it"),
        };
        assert_eq!(*verdict, expected, "{name}:\n{text}");
    }
}

#[test]
fn the_shipped_file_is_as_uci_writes_it() {
    let exported = String::from_utf8(export(&[DEFAULT.into()]).unwrap()).unwrap();
    let (_, body) = exported.split_once('\n').unwrap();
    assert_eq!(body.trim_end(), DEFAULT.trim_end());
}

#[test]
fn thousands_of_damaged_files_are_read_alike() {
    let shipped = DEFAULT.as_bytes().to_vec();
    let bases = corpus()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("broken"));
    let bases: Vec<_> = bases.map(|(_, text)| text).collect();
    let mut random = Random(0x5EED);
    let texts: Vec<_> = (0..6_000)
        .map(|i| {
            let base = if i % 2 == 0 {
                &shipped
            } else {
                random.of(&bases)
            };
            damaged(base.clone(), &mut random)
        })
        .collect();
    let mut counts = BTreeMap::new();
    for (text, verdict) in texts.iter().zip(verdicts(&texts)) {
        if let Verdict::Differ(how) = &verdict {
            panic!("{how}:\n{}", String::from_utf8_lossy(text));
        }
        *counts.entry(verdict).or_insert(0) += 1;
    }
    // A test that sees one outcome alone would show little.
    let count = |verdict| counts.get(&verdict).copied().unwrap_or(0);
    assert!(count(Verdict::Same) > 1000, "{counts:?}");
    assert!(count(Verdict::BothRefuse) > 1000, "{counts:?}");
    assert!(count(Verdict::OursRefuses) > 300, "{counts:?}");
    assert!(count(Verdict::Falls) < 60, "{counts:?}");
}

// === Comparing ===

/// What came of a file.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Verdict {
    /// Both load the same.
    Same,
    /// `uci` loads it, and we say why we do not.
    OursRefuses,
    BothRefuse,
    /// `uci` itself crashes or hangs.
    Falls,
    /// What must not be.
    Differ(String),
}

fn verdicts(texts: &[Vec<u8>]) -> Vec<Verdict> {
    let ours = ours(texts);
    let theirs = theirs(texts);
    assert_eq!((ours.len(), theirs.len()), (texts.len(), texts.len()));
    ours.into_iter()
        .zip(theirs)
        .map(|(ours, theirs)| compare(ours, theirs))
        .collect()
}

fn compare(ours: Option<Content>, theirs: Theirs) -> Verdict {
    let Some(ours) = ours else {
        return match theirs {
            Theirs::Loads(_) => Verdict::OursRefuses,
            Theirs::Refuses => Verdict::BothRefuse,
            Theirs::Falls => Verdict::Falls,
        };
    };
    match (ours.faults.first(), theirs) {
        (_, Theirs::Falls) => Verdict::Falls,
        (Some(_), Theirs::Refuses) => Verdict::BothRefuse,
        (None, Theirs::Refuses) => Verdict::Differ("only uci refuses this".to_owned()),
        // Later faults may follow from the first one.
        (Some((_, fault)), Theirs::Loads(_)) if fault.is_ours() => Verdict::OursRefuses,
        (Some((line, fault)), Theirs::Loads(_)) => {
            Verdict::Differ(format!("uci loads this, we say of line {line}: {fault}"))
        }
        (None, Theirs::Loads(sections)) if ours.sections == sections => Verdict::Same,
        (None, Theirs::Loads(sections)) => {
            Verdict::Differ(format!("ours: {:#?}\nuci: {sections:#?}", ours.sections))
        }
    }
}

/// What we read; `None` where it is no text at all. A hang is a failure here, and so is a panic, in reading or in making sense of it.
fn ours(texts: &[Vec<u8>]) -> Vec<Option<Content>> {
    let (send, receive) = mpsc::channel();
    let copy = texts.to_vec();
    thread::spawn(move || {
        for text in copy {
            let content = str::from_utf8(&text).ok().map(|text| {
                let _ = config::parse("", text);
                uci::read(text)
            });
            if send.send(content).is_err() {
                break;
            }
        }
    });
    let mut contents = Vec::new();
    for text in texts {
        let content = receive.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            panic!("{error} on:\n{}", String::from_utf8_lossy(text));
        });
        contents.push(content.map(levelled));
    }
    contents
}

/// With the options in an order of their own: `uci` moves one that is set twice to the end.
fn levelled(mut content: Content) -> Content {
    for section in &mut content.sections {
        section.options.sort();
    }
    content
}

// === The real uci ===

/// What `uci` makes of a file.
enum Theirs {
    Loads(Vec<Section>),
    Refuses,
    Falls,
}

/// Many files for each run of `uci`; where it falls, halves, to find the file.
fn theirs(texts: &[Vec<u8>]) -> Vec<Theirs> {
    const BATCH: usize = 500;
    if texts.len() > BATCH {
        return texts.chunks(BATCH).flat_map(theirs).collect();
    }
    if let Some(exported) = export(texts) {
        let mut loaded = packages(&String::from_utf8_lossy(&exported));
        let verdict = |i| {
            loaded
                .remove(&package(i))
                .map_or(Theirs::Refuses, Theirs::Loads)
        };
        let verdicts = (0..texts.len()).map(verdict).collect();
        assert!(loaded.is_empty(), "{loaded:?}");
        return verdicts;
    }
    if texts.len() == 1 {
        return vec![Theirs::Falls];
    }
    let (first, second) = texts.split_at(texts.len() / 2);
    theirs(first).into_iter().chain(theirs(second)).collect()
}

/// The sections of each package in the output of `uci export`.
fn packages(exported: &str) -> BTreeMap<String, Vec<Section>> {
    let mut packages = BTreeMap::<String, Vec<Section>>::new();
    let mut name = "";
    let mut rest = exported;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if let Some(package) = line.strip_prefix("package ") {
            name = package;
            packages.insert(name.to_owned(), Vec::new());
        } else if let Some(header) = line.strip_prefix("config ") {
            let sections = packages.get_mut(name).unwrap();
            let (kind, named) = match header.split_once(" '") {
                Some((kind, name)) => (kind, Some(name.strip_suffix('\'').unwrap())),
                None => (header, None),
            };
            let index = sections
                .iter()
                .filter(|section| section.kind == kind)
                .count();
            let name = named.map_or_else(|| format!("@{kind}[{index}]"), str::to_owned);
            sections.push(Section {
                kind: kind.to_owned(),
                name,
                options: Vec::new(),
            });
        } else if let Some(option) = rest
            .strip_prefix("\toption ")
            .or(rest.strip_prefix("\tlist "))
        {
            let (option, quoted) = option.split_once(" '").unwrap();
            let (value, after) = unquoted(quoted);
            add(
                packages.get_mut(name).unwrap().last_mut().unwrap(),
                option,
                value,
            );
            rest = after;
            continue;
        } else {
            assert_eq!(line, "", "{exported}");
        }
        rest = after;
    }
    for section in packages.values_mut().flatten() {
        section.options.sort();
    }
    packages
}

/// A value up to its closing quote, which may be lines away, and what comes after it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (piece, after) = rest.split_once('\'').unwrap();
        value += piece;
        match after.strip_prefix("\\''") {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return (value, after.strip_prefix('\n').unwrap()),
        }
    }
}

/// Adds a value unless it is empty or there already.
fn add(section: &mut Section, option: &str, value: String) {
    if value.is_empty() {
        return;
    }
    match section.options.iter_mut().find(|(name, _)| name == option) {
        Some((_, values)) if values.contains(&value) => {}
        Some((_, values)) => values.push(value),
        None => section.options.push((option.to_owned(), vec![value])),
    }
}

// === Damage ===

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/uci");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(files.len() > 40, "the corpus has shrunk");
    files
}

/// Numbers that are the same in every run: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len())]
    }
}

/// What careless hands, editors and disks do to a file, up to three times.
fn damaged(mut text: Vec<u8>, random: &mut Random) -> Vec<u8> {
    const PIECES: &[&str] = &[
        "'",
        "\"",
        "\\",
        "#",
        ";",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "''",
        "'\\''",
        "\\\n",
        "\0",
        "\u{b}",
        "ü",
        "-",
        "_",
        "@",
        "{",
        "0",
        "a",
        "config",
        "option",
        "list",
        "package",
        "c ",
        "o ",
        "l ",
        "p ",
        "\nconfig listener\n",
        "\nconfig listener 'chat_tls'\n",
        "\nconfig upstream chat\n",
        "\noption port ''\n",
        "\noption port 443\n",
        "\nlist port 1\n",
        "\nlist address 'a:1'\n",
        "\noption address b:2\n",
        "\npackage x\n",
        "\noption x\n",
    ];
    for _ in 0..=random.below(3) {
        let at = random.below(text.len() + 1);
        match random.below(10) {
            0..4 => {
                text.splice(at..at, random.of(PIECES).bytes());
            }
            4..6 if at < text.len() => {
                text.remove(at);
            }
            6 if at < text.len() => text[at] = u8::try_from(random.below(256)).unwrap(),
            7 => text.truncate(at),
            8 => {
                let end = at + random.below(text.len() - at + 1).min(40);
                text.drain(at..end);
            }
            _ => {
                let mut lines: Vec<_> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                let line = random.of(&lines).clone();
                let to = random.below(lines.len());
                lines.insert(to, line);
                text = lines.join(&b'\n');
            }
        }
    }
    text
}
