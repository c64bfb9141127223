//! `waproxy share`: the link that fills in WhatsApp's proxy form, and the QR code of that link.

use std::io::{self, IsTerminal};

use qrcodegen::{QrCode, QrCodeEcc};

use super::{Error, Options, complain, print};
use crate::control;

/// Prints the link; with `qr`, the QR code too.
pub fn run(options: &Options, qr: bool) -> Result<(), Error> {
    let (link, hints) = control::link(&options.control()?)?;
    for hint in hints {
        complain("warning", &hint);
    }
    let mut text = format!("{link}\n");
    if qr {
        text.push('\n');
        text += &qr_code(&link, io::stdout().is_terminal())?;
    }
    print(&text)
}

/// The QR code of `link`, two modules a character, with the border of four modules that readers
/// need. With `colours`, black on white whatever the terminal's own colours are; without, the
/// blocks are the dark modules, for dark text on a light page.
pub fn qr_code(link: &str, colours: bool) -> Result<String, Error> {
    let code = QrCode::encode_text(link, QrCodeEcc::Low).map_err(|_| Error::QrCode)?;
    let (before, after) = if colours {
        (BLACK_ON_WHITE, RESET)
    } else {
        ("", "")
    };
    let (first, end) = (-BORDER, code.size().saturating_add(BORDER));
    let mut text = String::new();
    for y in (first..end).step_by(2) {
        text += before;
        text.extend((first..end).map(|x| {
            match (
                code.get_module(x, y),
                code.get_module(x, y.saturating_add(1)),
            ) {
                (false, false) => ' ',
                (false, true) => '▄',
                (true, false) => '▀',
                (true, true) => '█',
            }
        }));
        text += after;
        text.push('\n');
    }
    Ok(text)
}

/// Modules around a QR code.
const BORDER: i32 = 4;

/// Black and white of the 256 colours, which no theme changes, unlike those of the first 16.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";

/// The terminal's own colours.
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_nothing_but_the_colours() {
        let plain = qr_code("https://example.org", false).unwrap();
        let coloured = qr_code("https://example.org", true).unwrap();
        assert!(!plain.contains('\x1b'));
        let stripped = coloured.replace(BLACK_ON_WHITE, "").replace(RESET, "");
        assert_eq!(stripped, plain);
        let whole = |line: &str| line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET);
        assert!(coloured.lines().all(whole));
    }
}
