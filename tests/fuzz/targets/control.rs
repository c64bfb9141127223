//! A line from the control socket in. A request that is read means the same when it is written
//! and read again; a refusal is one line for whoever asked.

use waproxy::control::{Request, TEXT_MAX};

pub fn run(data: &[u8]) {
    match Request::from_line(data) {
        Ok(request) => {
            if let Request::Check { text } = &request {
                assert!(text.len() <= TEXT_MAX, "longer than may be");
            }
            let line = request.clone().into_line().unwrap();
            assert_eq!(line.find('\n'), Some(line.len() - 1), "more than a line");
            assert_eq!(Request::from_line(line.as_bytes()), Ok(request));
        }
        Err(error) => assert!(!error.is_empty(), "refuses without a word"),
    }
}
