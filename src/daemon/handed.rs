//! What the init script hands us beside the configuration: the name of a file in, its text out.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most that is read of a file, in bytes.
const MOST: u64 = 16 * 1024;

/// Whether the init script runs us, which hands over the time zone always.
pub(super) fn is_service(configuration: Option<&Path>) -> bool {
    is_there(configuration, "zone")
}

/// Whether the init script was told to keep no history, of a service that is switched off.
pub(super) fn forgets(configuration: Option<&Path>) -> bool {
    is_there(configuration, "forget")
}

fn is_there(configuration: Option<&Path>, name: &str) -> bool {
    configuration.is_some_and(|path| path.with_file_name(name).is_file())
}

/// The text of the file `name` beside the `configuration`; nothing where there is none.
pub(super) fn handed(configuration: Option<&Path>, name: &str) -> String {
    let mut text = String::new();
    let Some(configuration) = configuration else {
        return text;
    };
    let path = configuration.with_file_name(name);
    if path.is_file()
        && let Ok(file) = File::open(path)
    {
        // What is no text, or longer than any init script would write, is not from one.
        let _ = file.take(MOST).read_to_string(&mut text);
    }
    text
}
