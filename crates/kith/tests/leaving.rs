//! Leaving a space, as its open page meets it.

mod fixture;
mod support;

use fixture::Node;
use support::{Heard, Page, get};

#[test]
fn a_page_is_told_and_its_browser_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path());
    let mut page = Page::open(&node, "Chat");
    page.append("here").expect("it is acknowledged");
    node.json(&["leave", &page.space, "--yes"]);
    assert_eq!(page.socket.hear(), Heard::Closed(4410));

    let ask = || get(page.port, &page.host, "/", &[("Cookie", &page.cookie)]);
    let gone = ask();
    assert_eq!((gone.status, gone.header("clear-site-data")), (410, "\"*\""), "{gone:?}");
    assert_eq!(ask().status, 421, "nobody can tell it from a space that never was");
}
