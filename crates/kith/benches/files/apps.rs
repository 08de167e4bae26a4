//! Many apps.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Figure, Kith};
use crate::{RUNS, text};

/// Apps, each with a space.
const APPS: usize = 50;

/// Many apps, each with a space.
pub(crate) async fn run() {
    let dir = TempDir::new().expect("a folder");
    let (mut with, mut bare) = (Kith::new("many"), Kith::new("none"));
    with.start().await;
    bare.start().await;
    for n in 0..APPS {
        let app: PathBuf = dir.path().join(format!("app-{n}"));
        fs::create_dir(&app).expect("a folder");
        fs::write(app.join("index.html"), format!("<!doctype html><title>{n}</title>"))
            .expect("a disk");
        fs::write(app.join("manifest.toml"), format!("name = \"App {n}\"\n")).expect("a disk");
        let path = text(&app);
        let published = with.call("apps.publish", json!({ "path": path, "key": null })).await;
        let target = published["link"].clone();
        with.call("open.begin", json!({ "target": target, "yes": true })).await;
    }
    let (mut ready, mut bare_ready) = (Vec::new(), Vec::new());
    let (mut memory, mut bare_memory) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        with.stop().await;
        bare.stop().await;
        ready.push(with.start().await.as_secs_f64() * 1e3);
        bare_ready.push(bare.start().await.as_secs_f64() * 1e3);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        memory.push(with.rss_mb());
        bare_memory.push(bare.rss_mb());
    }
    Figure::new("start to ready, 50 apps and 50 spaces", "ms", "≤ 150 ms", ready)
        .against("no apps", bare_ready)
        .print();
    Figure::new("idle node, 50 apps and 50 spaces: RSS", "MB", "≤ 64 MB", memory)
        .against("no apps", bare_memory)
        .print();
}
