//! Results as Markdown.

use std::fmt::Write;

use crate::figure::{Figure, Reach, Target};
use crate::relay::Kind;
use crate::results::Results;

pub fn markdown(figures: &[&'static Figure], kinds: &[Kind], results: &Results) -> String {
    let mut text = String::new();
    for table in figures.chunk_by(|one, next| one.table == next.table) {
        write_table(&mut text, table, kinds, results);
    }
    write_targets(&mut text, figures, kinds, results);
    write_failures(&mut text, results);
    text
}

fn write_table(text: &mut String, figures: &[&'static Figure], kinds: &[Kind], results: &Results) {
    let columns = || {
        let each = |figure: &'static Figure| {
            let columns = figure.columns.iter().enumerate();
            columns.map(move |(number, column)| (figure, number, column))
        };
        figures.iter().copied().flat_map(each)
    };
    let mut head = format!("| {} |", figures[0].table);
    let mut line = "|---|".to_owned();
    for (figure, _, column) in columns() {
        let label = figure.label;
        let colon = if label.is_empty() { "" } else { ": " };
        let _ = write!(head, " {label}{colon}{} |", column.title);
        line.push_str("---:|");
    }
    let _ = writeln!(text, "{head}\n{line}");
    for &kind in kinds {
        let suits = |figure: &&&Figure| figure.work.suits(kind);
        if figures.iter().find(suits).is_none() {
            continue;
        }
        let _ = write!(text, "| {} |", kind.title());
        for (figure, number, column) in columns() {
            let value = results.median(figure.name, kind, number);
            // Nobody's process has no cost.
            let value = value.filter(|&value| kind != Kind::Direct || value != 0.0);
            let digits = column.digits;
            let _ = match value {
                Some(value) => write!(text, " {value:.digits$} |"),
                None => write!(text, " |"),
            };
        }
        text.push('\n');
    }
    text.push('\n');
}

fn write_targets(
    text: &mut String,
    figures: &[&'static Figure],
    kinds: &[Kind],
    results: &Results,
) {
    let _ = writeln!(
        text,
        "| wanted | of | at most | seen | |\n|---|---|---:|---:|---|"
    );
    for figure in figures {
        for target in figure.targets {
            write_target(text, figure, target, kinds, results);
        }
    }
    text.push('\n');
}

fn write_target(
    text: &mut String,
    figure: &Figure,
    target: &Target,
    kinds: &[Kind],
    results: &Results,
) {
    let column = target.column;
    let ratio = |to| results.ratio(figure.name, Kind::Waproxy, to, column);
    let (of, wanted, seen, at_least) = match target.reach {
        Reach::Times(times, kind) => (kind.title(), times, ratio(kind), false),
        Reach::NotBelow(kind) => (kind.title(), 1.0, ratio(kind), true),
        Reach::BelowPeers => {
            let peers = kinds.iter().filter(|kind| kind.is_peer());
            let ratios = peers.filter_map(|&kind| ratio(kind));
            (
                "the best other relay",
                1.0,
                ratios.max_by(f64::total_cmp),
                false,
            )
        }
        Reach::Value(value) => {
            let seen = results.median(figure.name, Kind::Waproxy, column);
            ("", value, seen, false)
        }
        Reach::AtLeast(value) => {
            let seen = results.median(figure.name, Kind::Waproxy, column);
            ("", value, seen, true)
        }
    };
    let Some(seen) = seen else { return };
    let reached = if at_least {
        seen >= wanted
    } else {
        seen <= wanted
    };
    let _ = writeln!(
        text,
        "| {}, {} | {of} | {}{wanted} | {seen:.2} | {} |",
        figure.name,
        figure.columns[column].title,
        if at_least { "at least " } else { "" },
        if reached {
            "reached"
        } else {
            "**not reached**"
        },
    );
}

fn write_failures(text: &mut String, results: &Results) {
    for refusal in &results.refused {
        let way = if refusal.tls { "TLS" } else { "plain" };
        let _ = writeln!(
            text,
            "- No figures of {}, {way}: {}",
            refusal.kind.title(),
            refusal.why
        );
    }
    for (_, kind, why) in &results.failed {
        let _ = writeln!(text, "- {} failed in a round: {why}", kind.title());
    }
}
