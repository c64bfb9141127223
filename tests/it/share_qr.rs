//! The QR code of `waproxy share --qr`, read off the screen by a QR reader.

#![allow(clippy::unwrap_used)] // A test that meets what it does not expect may well panic.

use std::fs;
use std::path::Path;
use std::process::Command;

use waproxy::command::share::qr_code;

const LINK: &str = "https://wa.me/proxy?host=203.0.113.77&chatPort=443&mediaPort=587&chatTLS=true";

#[test]
fn a_reader_decodes_what_a_dark_terminal_shows() {
    let text = qr_code(LINK, true).unwrap();
    assert_eq!(read(&screen(&text, Screen::Dark), "dark"), LINK);
}

#[test]
fn a_reader_decodes_what_a_light_terminal_shows() {
    let text = qr_code(LINK, true).unwrap();
    assert_eq!(read(&screen(&text, Screen::Light), "light"), LINK);
}

#[test]
fn a_reader_decodes_plain_text_on_a_light_page() {
    let text = qr_code(LINK, false).unwrap();
    assert_eq!(read(&screen(&text, Screen::Light), "plain"), LINK);
}

#[test]
fn a_reader_decodes_the_longest_host() {
    let link = LINK.replace("203.0.113.77", &"abcdefg.".repeat(31));
    let text = qr_code(&link, true).unwrap();
    assert_eq!(read(&screen(&text, Screen::Dark), "longest"), link);
}

#[test]
fn the_usual_code_fits_a_terminal() {
    let text = qr_code(LINK, false).unwrap();
    assert!(text.lines().count() < 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 80));
}

/// The colours that a terminal starts with.
#[derive(Clone, Copy)]
enum Screen {
    Dark,
    Light,
}

/// The pixels that a terminal shows for `text`, `true` for black: one wide and two high a
/// character, with some empty cells of the terminal's own around.
fn screen(text: &str, screen: Screen) -> Vec<Vec<bool>> {
    const MARGIN: usize = 6;
    let own = match screen {
        Screen::Dark => (false, true),
        Screen::Light => (true, false),
    };
    let (mut ink, mut paper) = own;
    let mut rows = Vec::new();
    for line in text.lines() {
        let mut pair = [vec![own.1; MARGIN], vec![own.1; MARGIN]];
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            let (upper, lower) = match char {
                ' ' => (paper, paper),
                '▀' => (ink, paper),
                '▄' => (paper, ink),
                '█' => (ink, ink),
                '\x1b' => {
                    let escape: String = chars.by_ref().take_while(|char| *char != 'm').collect();
                    (ink, paper) = match escape.as_str() {
                        "[38;5;16;48;5;231" => (true, false),
                        "[0" => own,
                        _ => panic!("an escape that nobody expects: {escape}"),
                    };
                    continue;
                }
                _ => panic!("a character that nobody expects: {char:?}"),
            };
            pair[0].push(upper);
            pair[1].push(lower);
        }
        rows.extend(pair);
    }
    let width = rows.iter().map(Vec::len).max().unwrap() + MARGIN;
    for row in &mut rows {
        row.resize(width, own.1);
    }
    let margin = vec![vec![own.1; width]; MARGIN];
    [margin.clone(), rows, margin].concat()
}

/// What `zbarimg` reads in a picture of `pixels`, each of them enlarged.
fn read(pixels: &[Vec<bool>], name: &str) -> String {
    const SCALE: usize = 4;
    let (width, height) = (pixels[0].len() * SCALE, pixels.len() * SCALE);
    let mut picture = format!("P1\n{width} {height}\n");
    for row in pixels {
        for _ in 0..SCALE {
            for black in row {
                picture += &(if *black { "1 " } else { "0 " }).repeat(SCALE);
            }
            picture.push('\n');
        }
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("qr-{name}.pbm"));
    fs::write(&file, picture).unwrap();
    let mut zbarimg = Command::new("zbarimg");
    let output = zbarimg.args(["--quiet", "--raw"]).arg(&file).output();
    let output = output.expect("zbarimg (Debian package zbar-tools) runs");
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end().into()
}
