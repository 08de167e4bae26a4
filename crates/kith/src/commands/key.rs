//! `kith key`.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use kith_api::{Empty, ExportedKey, ImportKey, KeyInfo, KeyRef, Keys};

use super::Context;
use crate::args::KeyAction;
use crate::failure::{Failure, Result};
use crate::output::{Align, Table};

/// Longest secret that is read: `kith-key:` and 43 characters, with room for blanks.
const MAX_SECRET: u64 = 1_024;

pub(super) async fn key(context: &Context, action: Option<KeyAction>) -> Result<()> {
    match action {
        None => list(context).await,
        Some(KeyAction::Export { key, out }) => export(context, key, out.as_deref()).await,
        Some(KeyAction::Import { name, file }) => import(context, name, file.as_deref()).await,
    }
}

async fn list(context: &Context) -> Result<()> {
    let keys: Keys = context.client().await?.call("keys.list", &Empty {}).await?;
    for key in &keys.keys {
        context.output.object(key);
    }
    if keys.keys.is_empty() {
        context.output.line("You have no keys yet: publishing an app makes one.");
        context.output.next(context.suggest("publish DIR"), "publishes an app");
    } else {
        context.output.line(table(&keys.keys));
        context
            .output
            .next(context.suggest("key export KEY -o FILE"), "a copy: a lost key is a dead app");
    }
    Ok(())
}

fn table(keys: &[KeyInfo]) -> Table {
    let mut table = Table::new(&[("key", Align::Left), ("app", Align::Left)]);
    for key in keys {
        table.row(vec![key.name.clone(), key.app.clone()]);
    }
    table
}

async fn export(context: &Context, key: String, out: Option<&Path>) -> Result<()> {
    let exported: ExportedKey =
        context.client().await?.call("keys.export", &KeyRef { key }).await?;
    match out {
        None => {
            context.output.object(&exported);
            context.output.line(&exported.secret);
            context.output.note("Whoever has this secret can publish the app. Keep it safe.");
        }
        Some(path) => {
            write_secret(path, &exported.secret).map_err(|error| {
                Failure::new("storage", format!("{} can't be written.", path.display()))
                    .why(if error.kind() == ErrorKind::AlreadyExists {
                        "It exists already, and a key is never written over a file.".to_owned()
                    } else {
                        format!("{error}.")
                    })
                    .todo("Name another file.")
            })?;
            context.output.object(&serde_json::json!({
                "name": exported.name, "app": exported.app, "file": path,
            }));
            context.output.line(format_args!(
                "The key “{}” is in {}. Whoever has it can publish the app.",
                exported.name,
                path.display()
            ));
        }
    }
    Ok(())
}

async fn import(context: &Context, name: String, file: Option<&Path>) -> Result<()> {
    let secret = read_secret(file).map_err(|error| {
        let from = file.map_or("Standard input".to_owned(), |file| file.display().to_string());
        Failure::new("storage", format!("{from} can't be read.")).why(format!("{error}."))
    })?;
    let imported: KeyInfo =
        context.client().await?.call("keys.import", &ImportKey { name, secret }).await?;
    context.output.object(&imported);
    context
        .output
        .line(format_args!("You can publish {} by the key “{}” now.", imported.app, imported.name));
    context.output.next(
        context.suggest(&format!("publish DIR --key {}", imported.name)),
        "publishes a version",
    );
    Ok(())
}

/// A new file that only its owner can read.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

/// Secrets come from a file or standard input: others can read a program's arguments.
fn read_secret(file: Option<&Path>) -> std::io::Result<String> {
    let mut secret = String::new();
    match file {
        Some(file) => std::fs::File::open(file)?.take(MAX_SECRET).read_to_string(&mut secret)?,
        None => std::io::stdin().lock().take(MAX_SECRET).read_to_string(&mut secret)?,
    };
    Ok(secret.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_keys() {
        let keys = [
            KeyInfo { name: "my-app".into(), app: "AAAA".into() },
            KeyInfo { name: "b".into(), app: "BBBB".into() },
        ];
        insta::assert_snapshot!(table(&keys));
    }

    #[test]
    fn a_key_is_never_written_over_a_file_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.txt");
        write_secret(&path, "kith-key:abc").unwrap();
        assert_eq!(read_secret(Some(&path)).unwrap(), "kith-key:abc");
        assert_eq!(write_secret(&path, "x").unwrap_err().kind(), ErrorKind::AlreadyExists);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
