//! Replays the corpora of the fuzz targets through the same checks, with no fuzzer.
//! The seeds are the vectors; and anything else is checked, too.

use proptest::prelude::*;

use crate::checks;
use crate::corpus::replay;
use crate::vectors::seeds;

type Check = fn(&[u8]);

/// Bytes with names for their files.
fn named(seeds: Vec<Vec<u8>>) -> Vec<(String, Vec<u8>)> {
    seeds.into_iter().enumerate().map(|(n, seed)| (format!("seed_{n:02}"), seed)).collect()
}

fn addresses() -> Vec<Vec<u8>> {
    let id = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    [
        "",
        "@1.2.3.4:5",
        "@[2001:db8::1]:443,10.0.0.1:1",
        "@[fe80::1%3]:9",
        "@[::ffff:1.2.3.4]:5",
        "@",
    ]
    .map(|rest| format!("{id}{rest}").into_bytes())
    .to_vec()
}

#[test]
fn corpora() {
    replay("transport_control", &named(seeds("control")), checks::control);
    replay("transport_header", &named(seeds("headers")), checks::header);
    replay("transport_peer_addr", &named(addresses()), checks::peer_addr);
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::control(&bytes);
        checks::header(&bytes);
        checks::peer_addr(&bytes);
    }

    #[test]
    fn a_bit_or_two_of_a_message_flipped(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        mask in 1u8..,
    ) {
        for (name, check) in [("control", checks::control as Check), ("headers", checks::header)] {
            let mut seed = which.get(&seeds(name)).clone();
            if !seed.is_empty() {
                let at = at.index(seed.len());
                seed[at] ^= mask;
            }
            check(&seed);
        }
    }
}
