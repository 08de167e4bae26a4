//! `kith share`.

use std::fs::{DirBuilder, OpenOptions};
use std::path::{Path, PathBuf};

use kith_api::{JobRef, JobStage, Share};

use super::{Context, absolute, invite, job};
use crate::args;
use crate::failure::{Failure, Result};
use crate::output::{Bytes, during};

/// The name of standard input where none is given.
const STDIN_NAME: &str = "stdin";
/// The folder in the data directory where what comes from standard input waits for the node.
const INCOMING: &str = "incoming";
/// What stands for standard input.
const STDIN: &str = "-";
/// Bytes of a spooled file's name.
const NAME_BYTES: usize = 12;

pub(super) async fn share(context: &Context, args: &args::Share) -> Result<()> {
    let mut client = context.client().await?;
    let spooled = spool(context, args).await?;
    let paths = match &spooled {
        Some(spooled) => vec![text(spooled.0.clone())?],
        None => args.paths.iter().map(|path| text(absolute(path)?)).collect::<Result<_>>()?,
    };
    let take = spooled.as_ref().map(|_| args.name.clone().unwrap_or_else(|| STDIN_NAME.into()));
    let share = Share { paths, copy: args.copy, take };
    let JobRef { job } = client.call("files.share", &share).await?;
    let done = job::follow(context.output, &mut client, job).await?;
    let JobStage::Shared { link, size, files, left_out, .. } = &done else {
        return Err(Failure::new("internal", "Sharing ended without a link."));
    };
    let output = context.output;
    output.object(&done);
    for what in left_out {
        output.note(format_args!("left out: {what}"));
    }
    let many = if *files == 1 { "1 file".into() } else { format!("{files} files") };
    output.line(format_args!("{many}, {}. Whoever has this link can get it:\n", Bytes(*size)));
    invite::show(output, link);
    if !args.copy && spooled.is_none() {
        output.line(
            "They are read from where they are: what is changed or moved is given to nobody.",
        );
    }
    output.next("kith get LINK", "on your friend's machine, while kith runs here");
    Ok(())
}

/// A path as the node is told it.
fn text(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .map_err(|_| Failure::usage("The path is no UTF-8.").todo("Rename the file."))
}

/// A file of ours that goes when it is dropped, unless the node took it over.
struct Spooled(PathBuf);

impl Drop for Spooled {
    fn drop(&mut self) {
        // The node has moved it, where all went well.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Standard input as a file, where it is what is to be shared.
async fn spool(context: &Context, args: &args::Share) -> Result<Option<Spooled>> {
    if !args.paths.iter().any(|path| path.as_os_str() == STDIN) {
        if args.name.is_some() {
            return Err(Failure::usage("--name is for what comes from standard input.")
                .todo("Say “-” as the path, or leave --name out: files keep their names."));
        }
        return Ok(None);
    }
    if args.paths.len() > 1 {
        return Err(Failure::usage("Standard input is shared alone."));
    }
    let dir = context.data_dir.join(INCOMING);
    let read = tokio::task::spawn_blocking(move || spool_to(&dir));
    let done = during(context.output, "Reading standard input", read).await;
    done.map_err(|_| Failure::new("internal", "Standard input could not be read."))?.map(Some)
}

fn spool_to(dir: &Path) -> Result<Spooled> {
    let failed = |error: std::io::Error| {
        Failure::new("storage", "Standard input could not be kept.").why(format!("{error}."))
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed)?;
    let mut name = [0; NAME_BYTES];
    getrandom::fill(&mut name).map_err(|error| failed(error.into()))?;
    let spooled = Spooled(dir.join(data_encoding::HEXLOWER.encode(&name)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&spooled.0).map_err(failed)?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(failed)?;
    Ok(spooled)
}
