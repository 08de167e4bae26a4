//! A full disk and a read-only one: said clearly, and nothing lost. Needs root to mount them.

#![cfg(unix)]

mod fixture;
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fixture::{Node, error, up};
use support::{Page, assert_clear};

/// A small file system in memory. Dropping it unmounts it.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let options = format!("size={size},mode=700");
        system(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", &options, "kith-test"])
                .arg(dir.path()),
        );
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, how: &str) {
        system(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.path()));
    }

    /// Takes all room that is left, in a file whose removal gives it back.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).expect("there is room for a name");
        let block = vec![0; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a node that was killed a moment ago may hold a file.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn system(command: &mut Command) {
    let status = command.status().expect("it is installed");
    assert!(status.success(), "{command:?}");
}

fn app(folder: &Path) {
    std::fs::create_dir(folder).expect("a folder can be made");
    // Random bytes are not compressed away.
    let picture: Vec<u8> =
        (0..2_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(folder.join("index.html"), "<!doctype html>").expect("it can be written");
    std::fs::write(folder.join("picture.png"), picture).expect("it can be written");
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let disk = Disk::mount("24m");
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("my-app");
    app(&folder);
    let folder = folder.to_str().unwrap();
    let node = Node::start(disk.path());
    let before = node.json(&["apps"]);

    let filler = disk.fill();
    let refused = error(&node.run(&["publish", folder, "--json"]));
    assert_eq!(refused["code"], "disk_full", "{refused}");
    assert!(!refused["todo"].as_str().unwrap().is_empty(), "{refused}");
    assert_eq!(node.json(&["apps"]), before, "it goes on, with what it had");

    std::fs::remove_file(filler).unwrap();
    let published = node.json(&["publish", folder]).remove(0);
    assert!(node.json(&["apps"]).iter().any(|app| app["app"] == published["app"]));
}

/// Entries fill the disk until one is refused, round after round; each time some room is made.
#[test]
fn entries_that_were_acknowledged_while_the_disk_filled_are_kept() {
    let disk = Disk::mount("8m");
    let mut node = Node::start(disk.path());
    let mut page = Page::open(&node, "Chat");
    let mut acknowledged: Vec<String> = Vec::new();
    for (round, size) in [(0, "12m"), (1, "16m"), (2, "32m")] {
        let refused = loop {
            let text = format!("{round} {} {}", acknowledged.len(), "x".repeat(60_000));
            match page.append(&text) {
                Ok(_) => acknowledged.push(text),
                Err(refused) => break refused,
            }
            assert!(acknowledged.len() < 1_000, "the disk never fills");
        };
        assert_clear(&refused, "disk_full");
        // While it is full: what is there can be read, and the node answers.
        assert!(page.texts() == acknowledged, "round {round}");
        node.json(&["status"]);
        let large = "y".repeat(100_000);
        assert_clear(&page.append(&large).unwrap_err(), "disk_full");

        disk.remount(&format!("size={size}"));
        let text = format!("{round}: there is room again");
        page.append(&text).expect("there is room");
        acknowledged.push(text);
        assert!(page.texts() == acknowledged, "round {round}, with room again");
    }
    assert!(acknowledged.len() > 30, "{}", acknowledged.len());
    node.signal("KILL");
    node.ended();
    let node = Node::start(disk.path());
    assert!(Page::open(&node, "Chat").texts() == acknowledged, "after a restart");
}

#[test]
fn a_node_whose_disk_was_full_starts_again_with_everything() {
    let disk = Disk::mount("24m");
    let mut node = Node::start(disk.path());
    let id = node.said("node_id").to_owned();
    let before = node.json(&["apps"]);
    let filler = disk.fill();
    node.signal("KILL");
    node.ended();
    std::fs::remove_file(filler).unwrap();
    let node = Node::start(disk.path());
    assert_eq!(node.said("node_id"), id);
    assert_eq!(node.json(&["apps"]), before);
}

#[test]
fn a_node_starts_on_a_disk_that_is_full_and_shows_what_is_there() {
    let disk = Disk::mount("24m");
    let mut node = Node::start(disk.path());
    let mut page = Page::open(&node, "Chat");
    let filler = disk.fill();
    let mut texts = Vec::new();
    // Down to the last page that the database has free.
    for size in [60_000, 10_000, 2_000, 100] {
        let refused = loop {
            let text = format!("{} {}", texts.len(), "x".repeat(size));
            match page.append(&text) {
                Ok(_) => texts.push(text),
                Err(refused) => break refused,
            }
            assert!(texts.len() < 10_000, "the disk is never full");
        };
        assert_clear(&refused, "disk_full");
    }
    node.signal("KILL");
    node.ended();
    let node = Node::start(disk.path());
    let mut page = Page::open(&node, "Chat");
    assert!(page.texts() == texts);
    std::fs::remove_file(filler).unwrap();
    page.append("there is room again").expect("there is room");
}

#[test]
fn a_read_only_directory_is_said() {
    let disk = Disk::mount("24m");
    for fresh in [true, false] {
        disk.remount("ro");
        let refused = error(&up(disk.path()).output().unwrap());
        assert!(matches!(refused["code"].as_str(), Some("read_only" | "storage")), "{refused}");
        assert!(refused["todo"].as_str().is_some_and(|todo| !todo.is_empty()), "{refused}");
        disk.remount("rw");
        if fresh {
            let mut node = Node::start(disk.path());
            node.json(&["stop"]);
            assert!(node.ended());
        }
    }
}

/// A disk that has too little room is told before anything comes, and one that fills while it comes then:
/// what came is kept, and it goes on once there is room.
#[test]
fn a_get_that_filled_the_disk_goes_on_when_there_is_room() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut ada = Node::start(elsewhere.path());
    let film: Vec<u8> =
        (0..40_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let path = elsewhere.path().join("film.mp4");
    std::fs::write(&path, &film).unwrap();
    let shared = ada.json(&["share", path.to_str().unwrap()]).remove(0);
    let link = shared["link"].as_str().unwrap();

    let disk = Disk::mount("24m");
    let data = tempfile::tempdir().unwrap();
    let ben = Node::start(data.path());
    let to = disk.path().to_str().unwrap();
    let refused = error(&ben.run(&["get", link, "-o", to, "--json"]));
    // Before anything of it comes.
    assert_eq!(refused["code"], "disk_full", "{refused}");
    assert!(refused["why"].as_str().unwrap().starts_with("40.0 MB are needed, and 2"), "{refused}");
    assert!(!refused["todo"].as_str().unwrap().is_empty(), "{refused}");
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0, "something is left");

    // Nobody is there who has it; and when it comes, somebody else's bytes have taken the room.
    disk.remount("size=64m");
    let addr = ada.said("addr").to_owned();
    ada.signal("KILL");
    ada.ended();
    let mut get = fixture::kith(data.path());
    get.args(["get", link, "-o", to, "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let get = get.spawn().unwrap();
    let part = disk.path().join(".film.mp4.kith-part");
    support::eventually("it is looked for", || part.exists());
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 40_000_000]).unwrap();
    let mut command = up(elsewhere.path());
    command.env("KITH_BIND", format!("127.0.0.1:{}", addr.rsplit_once(':').unwrap().1));
    let ada = Node::of(command, elsewhere.path());
    let refused = error(&get.wait_with_output().unwrap());
    assert_eq!(refused["code"], "disk_full", "{refused}");
    assert!(!refused["todo"].as_str().unwrap().is_empty(), "{refused}");
    assert!(!disk.path().join("film.mp4").exists(), "a part has no name of a whole");
    std::fs::remove_file(filler).unwrap();

    // A little less than is missing, and what is missing.
    let taken = std::os::unix::fs::MetadataExt::blocks(&part.metadata().unwrap()) * 512;
    assert!(taken > 1_000_000, "{taken} bytes came");
    let missing = film.len() as u64 - taken;
    disk.remount(&format!("size={}", taken + missing - 1_000_000));
    let refused = error(&ben.run(&["get", link, "-o", to, "--json"]));
    assert_eq!(refused["code"], "disk_full", "{refused}");
    disk.remount(&format!("size={}", taken + missing + 1_000_000));
    let got = ben.json(&["get", link, "-o", to]).remove(0);
    drop(ada);
    assert_eq!(got["files"][0]["path"], disk.path().join("film.mp4").to_str().unwrap());
    assert!(std::fs::read(disk.path().join("film.mp4")).unwrap() == film, "not the same film");

    // Where kith's own disk is full, a file that is shared by a copy is refused, and nothing is left.
    let small = Disk::mount("16m");
    let carol = Node::start(small.path());
    let refused = error(&carol.run(&["share", "--copy", path.to_str().unwrap(), "--json"]));
    assert_eq!(refused["code"], "disk_full", "{refused}");
    support::eventually("the space of what was not shared goes", || {
        carol.json(&["apps"]).iter().all(|app| app["spaces_here"] == serde_json::json!([]))
    });
    let blobs = std::fs::read_dir(small.path().join("blobs")).unwrap();
    let left: u64 = blobs.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(left < 1_000_000, "{left} bytes are left");
}
