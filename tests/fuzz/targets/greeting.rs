//! What answers to the doctor's greeting in, in two pieces that its first byte cuts. The first of them is
//! judged as all of it is, or not yet. Keys that come out have the length of keys, and no more is waited
//! for than an answer may have.

use waproxy::doctor::greeting::{Answer, answer};

pub fn run(data: &[u8]) {
    let Some((cut, said)) = data.split_first() else {
        return;
    };
    let judged = answer(said);
    let first = answer(&said[..said.len() * usize::from(*cut) / 256]);
    assert!(first.is_none() || first == judged);
    if let Some(Answer::Hello { ephemeral, sealed }) = judged {
        assert_eq!((ephemeral.len(), sealed.len()), (32, 48));
    }
    assert!(
        judged.is_some() || said.len() < 3 + 8 * 1024,
        "waits for more"
    );
}
