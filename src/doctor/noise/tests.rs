use super::*;

// What WhatsApp's server answered to a greeting of version 2.1 in 2019, recorded by a client whose
// ephemeral key was published with it: https://github.com/tgalal/consonance.
const PROLOGUE: &[u8] = b"WA\x02\x01";
const CLIENT: &str = "78b456accdf1a0ca8747dc4aefa94e655781a739c71dcbdce3dfd194e8000f55";
const SERVER: &str = "a2330a2f10bf2962451d7310b3eb0e65bf3bf2c600201e2366e0b9cec0ef0a43";
const SECRET: &str = "1eb55acb28901f331b7770aa46b13dca8939e145818f32b64bce5468cc80c528";
const SEALED: &str = "b7e76f99371331c135da3082adb9cb70563e1f6fd0b8aaf8fe1e01087cb4ac34\
                      bdacaa7adf2a917c55f9bc43d8d3f506";

#[test]
fn an_answer_of_whatsapp_s_opens_and_a_changed_one_does_not() {
    let [client, server, secret, sealed] = [CLIENT, SERVER, SECRET, SEALED].map(bytes);
    let opens_with = |prologue: &[u8], server: &[u8], secret: &[u8], sealed: &[u8]| {
        let hash = mix_hash(&mix_hash(PROTOCOL, prologue), &client);
        opens(secret, &mix_hash(&hash, server), sealed).is_ok()
    };
    assert!(opens_with(PROLOGUE, &server, &secret, &sealed));
    assert!(!opens_with(b"WA\x02\x02", &server, &secret, &sealed));
    assert!(!opens_with(PROLOGUE, &client, &secret, &sealed));
    assert!(!opens_with(PROLOGUE, &server, &server, &sealed));
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(!opens_with(PROLOGUE, &server, &secret, &changed), "{place}");
    }
    assert!(!opens_with(PROLOGUE, &server, &secret, &sealed[..TAG - 1]));
}

#[test]
fn keys_that_agree_on_nothing_are_no_answer() {
    let zero = [0; KEY];
    for ephemeral in [&[][..], &zero[1..], &zero[..]] {
        let initiator = Initiator::new(PROLOGUE).unwrap();
        assert!(!initiator.accepts(ephemeral, &bytes(SEALED)));
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}
