//! What the program says when it is used wrongly, or too early, and what it exits with.

use std::path::Path;
use std::process::{Command, Output};

/// Runs kith in a directory of its own, with none of this machine's settings.
fn kith(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kith"))
        .args(args)
        .env_clear()
        .env("HOME", dir)
        .current_dir(dir)
        .output()
        .expect("kith was built")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("errors are text")
}

#[test]
fn bad_usage_exits_2() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["fly"][..],
        &["up", "--http", "localhost"],
        &["up", "--http", "0.0.0.0:4848"],
        &["open"],
        &["publish"],
        &["key", "import"],
        &["status", "--loud"],
    ] {
        let output = kith(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn without_a_node_every_command_says_what_to_do_and_exits_1() {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    std::fs::create_dir(&app).unwrap();
    for args in [
        &["stop"][..],
        &["status"],
        &["publish", "app"],
        &["open", "kith://a/#b"],
        &["invite", "Chat"],
        &["leave", "Chat"],
        &["apps"],
        &["key"],
        &["key", "export", "a"],
        &["peers"],
    ] {
        let output = kith(dir.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains("kith up"), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_failure_is_an_object_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let output = kith(dir.path(), &["status", "--json"]);
    let lines: Vec<&str> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    let [line] = lines[..] else { panic!("{lines:?}") };
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["error"]["code"], "not_running");
    assert!(object["error"]["todo"].as_str().unwrap().contains("kith up"));
}

#[test]
fn the_data_directory_comes_from_the_flag_then_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kith"))
            .args(args)
            .env_clear()
            .env("HOME", dir.path())
            .env("KITH_DATA_DIR", "/from/environment")
            .output()
            .unwrap();
        stderr(&output).to_owned()
    };
    assert!(said(&["status"]).contains("/from/environment"));
    assert!(said(&["status", "--data-dir", "/from/flag"]).contains("/from/flag"));
    let home = kith(dir.path(), &["status"]);
    assert!(stderr(&home).contains(".local/share/kith"), "{}", stderr(&home));
}

#[test]
fn a_configuration_that_can_not_be_understood_says_where() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "htpp = \"127.0.0.1:1\"\n").unwrap();
    let output = kith(dir.path(), &["up", "--data-dir", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("config.toml") && stderr(&output).contains("htpp"));
}

#[test]
fn what_is_not_there_can_not_be_opened_or_published() {
    let dir = tempfile::tempdir().unwrap();
    for args in [["open", "game.xdc"], ["publish", "my-app"]] {
        let output = kith(dir.path(), &args);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(args[1]), "{}", stderr(&output));
    }
}
