//! Text for a terminal of 80 columns: labelled lines and tables. Long cells go on below in their
//! own column, so that no name, however long, moves what stands beside it.

use std::fmt::Write as _;

use crate::one_line::OneLine;

/// How wide a terminal is taken to be.
const WIDTH: usize = 80;

/// What separates two columns.
const GAP: &str = "  ";

/// How wide the labels of [`field`] are, with the gap behind them.
const LABEL_WIDTH: usize = 15;

/// Where a column's cells stand.
#[derive(Clone, Copy)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column: its heading, where its cells stand, and how wide it may be at most.
pub(super) struct Column(pub(super) &'static str, pub(super) Align, pub(super) usize);

/// Adds a table. Its first column gets narrower where the whole would be too wide. A row has a
/// cell a column.
pub(super) fn table(out: &mut String, columns: &[Column], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = Vec::new();
    for (i, Column(heading, _, max)) in columns.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(i));
        let cells = cells.map(|cell| cell.chars().count().min(*max));
        widths.push(cells.chain([heading.len()]).max().unwrap_or(0));
    }
    let with_gaps = widths.iter().map(|width| width.saturating_add(GAP.len()));
    let total = with_gaps.sum::<usize>().saturating_sub(GAP.len());
    if let Some(first) = widths.first_mut() {
        *first = first.saturating_sub(total.saturating_sub(WIDTH));
    }
    let headings = columns.iter().map(|Column(heading, ..)| (*heading).into());
    let headings: Vec<String> = headings.collect();
    for row in [&headings].into_iter().chain(rows) {
        let cells = row.iter().zip(&widths);
        let cells: Vec<Vec<String>> = cells.map(|(cell, width)| wrap(cell, *width)).collect();
        for i in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for ((cell, width), Column(_, align, _)) in cells.iter().zip(&widths).zip(columns) {
                let text = cell.get(i).map_or("", String::as_str);
                // Writing to a string does not fail, here and below.
                let _ = match align {
                    Align::Left => write!(line, "{text:width$}{GAP}"),
                    Align::Right => write!(line, "{text:>width$}{GAP}"),
                };
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// Adds a label and what belongs to it.
pub(super) fn field(out: &mut String, label: &str, value: &str) {
    let mut label = label;
    for line in wrap(value, WIDTH - LABEL_WIDTH) {
        let _ = writeln!(out, "{label:LABEL_WIDTH$}{line}");
        label = "";
    }
}

/// `text` in lines of at most `width` characters, broken between words where there are any; each
/// begins with the spaces that `text` begins with.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = OneLine(text).to_string();
    let mut rest = text.trim_start();
    let indent = text.strip_suffix(rest).unwrap_or_default();
    let width = width.saturating_sub(indent.len()).max(1);
    let mut lines = Vec::new();
    while let Some((end, _)) = rest.char_indices().nth(width) {
        let (mut line, mut next) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if !next.starts_with(' ')
            && let Some((words, _)) = line.rsplit_once(' ')
        {
            line = words;
            next = rest.strip_prefix(words).unwrap_or_default();
        }
        lines.push(format!("{indent}{line}"));
        rest = next.trim_start();
    }
    lines.push(format!("{indent}{rest}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_or_within_long_ones() {
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("12345", 5), ["12345"]);
        assert_eq!(wrap("12345 6", 5), ["12345", "6"]);
        assert_eq!(wrap("123 456", 5), ["123", "456"]);
        assert_eq!(wrap("1 2 3 4", 5), ["1 2 3", "4"]);
        assert_eq!(wrap("123456789012", 5), ["12345", "67890", "12"]);
        assert_eq!(wrap("ääääää", 5), ["äääää", "ä"]);
        assert_eq!(wrap("  12345", 5), ["  123", "  45"]);
        assert_eq!(wrap("ab", 0), ["a", "b"]);
        assert_eq!(wrap("a\nb", 5), ["a\\nb"]);
    }

    #[test]
    fn a_long_name_stays_in_its_column_and_the_table_in_its_width() {
        let columns = [
            Column("NAME", Align::Left, 99),
            Column("COUNT", Align::Right, 99),
        ];
        let rows = [["x".repeat(200), "7".into()].into()];
        let mut text = String::new();
        table(&mut text, &columns, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
        assert!(lines[0].starts_with("NAME ") && lines[0].ends_with("  COUNT"));
        assert!(lines[1].starts_with("xxxx") && lines[1].ends_with("x      7"));
        assert_eq!(text.matches('x').count(), 200);
    }
}
