//! Links and invitations that were cut, changed, stretched or forged on their way.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::support::assert_clear;
use crate::unharmed::Witness;

fn invitation(link: &str) -> (&str, Vec<u8>) {
    let (head, invitation) = link.split_once('#').expect("an invitation");
    (head, BASE64URL_NOPAD.decode(invitation.as_bytes()).expect("base64url"))
}

fn link(head: &str, invitation: &[u8]) -> String {
    format!("{head}#{}", BASE64URL_NOPAD.encode(invitation))
}

#[test]
fn links_that_are_no_links_are_refused() {
    let witness = Witness::new();
    let good = witness.node.json(&["invite", "Chat"]).remove(0);
    let good = good["link"].as_str().expect("a link").to_owned();
    let (head, bytes) = invitation(&good);
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        link(head, &bytes)
    };
    let mut bad = vec![
        ("another version", changed(0, 2)),
        ("unknown flags", changed(1, bytes[1] | 0x80)),
        ("two spaces at once", changed(1, bytes[1] | 0b101)),
        ("bytes left over", link(head, &[&bytes[..], &[4]].concat())),
        ("over-long", format!("{good}{}", "A".repeat(400))),
        ("over-long in its path", good.replace("/#", &format!("/{}#", "a".repeat(400)))),
        ("a path that leaves the app", good.replace("/#", "/../../etc/passwd#")),
        ("a path that leaves it in disguise", good.replace("/#", "/%2e%2e/%2e%2e/x#")),
        ("an app's id with a character changed", good.replacen("kith://", "kith://!", 1)),
        ("no app", "kith://".into()),
        ("another scheme in it", "kith:https://example.org/".into()),
        ("no character of a link", good.replace('#', "#\u{202e}")),
        ("a thousand characters", format!("kith://{}", "é".repeat(1_000))),
    ];
    // Where one is cut between two of its addresses it leads to the same space by fewer ways.
    for cut in [1, 2, 20, 33, 34, 50, bytes.len() - 1] {
        bad.push(("a cut invitation", link(head, &bytes[..cut])));
    }
    for cut in [8, 20, head.len() - 2] {
        bad.push(("a cut link", head[..cut].to_owned()));
    }
    for (what, bad) in &bad {
        for yes in [&["--yes"][..], &[]] {
            let args = [&["open", bad.as_str(), "--no-open"][..], yes].concat();
            println!("{what}: {bad}");
            let refused = witness.refused(&args);
            assert_eq!(refused["code"], "bad_link", "{what}: {refused}");
            assert_clear(&refused, "bad_link");
        }
    }
    only_the_chat(&witness);
    witness.unharmed();
}

/// A flipped bit that leaves a well-formed link leads nowhere: into no space of somebody else's.
#[test]
fn a_forged_secret_opens_nobodys_space() {
    let witness = Witness::new();
    let good = witness.node.json(&["invite", "Chat"]).remove(0);
    let (head, mut bytes) = invitation(good["link"].as_str().expect("a link"));
    bytes[2] ^= 1;
    let opened = witness.node.json(&["open", &link(head, &bytes), "--yes", "--no-open"]).remove(0);
    assert_ne!(opened["space"], good["space"], "another secret is another space");
    let mut forged = crate::support::Page::of(&opened);
    assert_eq!(forged.texts(), [""; 0], "with nothing of the one that it was made from");
    let space = opened["space"].as_str().expect("a space");
    witness.node.json(&["leave", space, "--yes"]);
    witness.unharmed();
}

/// An app's id with one bit changed is another app, which nobody has: no `kith open` hangs for it.
#[test]
fn a_changed_app_is_looked_for_without_harm() {
    let witness = Witness::new();
    let good = witness.node.json(&["invite", "Chat"]).remove(0);
    let link = good["link"].as_str().expect("a link");
    let id = &link["kith://".len()..].split('/').next().expect("an id").to_owned();
    let mut other = BASE64URL_NOPAD.decode(id.as_bytes()).expect("base64url");
    for bit in 0..8 {
        other[5] ^= 1 << bit;
        let changed = link.replace(id.as_str(), &BASE64URL_NOPAD.encode(&other));
        let opened = witness.run(&["open", &changed, "--yes", "--no-open"]);
        if opened.status.success() {
            let opened: Value = serde_json::from_slice(&opened.stdout).expect("JSON");
            let page = crate::support::Page::of(&opened);
            // The loading page, or what says that it is not here: never another app's files.
            let answer =
                crate::support::get(page.port, &page.host, "/", &[("Cookie", &page.cookie)]);
            assert_eq!(answer.status, 503, "{answer:?}");
            witness.node.json(&["leave", opened["space"].as_str().expect("a space"), "--yes"]);
        } else {
            // Not every 32 bytes are a key.
            assert_clear(&crate::fixture::error(&opened), "bad_link");
        }
        other[5] ^= 1 << bit;
    }
    witness.unharmed();
}

fn only_the_chat(witness: &Witness) {
    let apps = witness.node.json(&["apps"]);
    let spaces: usize =
        apps.iter().filter_map(|app| app["spaces_here"].as_array()).map(Vec::len).sum();
    assert_eq!(spaces, 1, "nothing was joined: {apps:?}");
}
