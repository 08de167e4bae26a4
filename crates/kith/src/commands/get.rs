//! `kith get`.

use std::fs::File;
use std::path::{Path, PathBuf};

use kith_api::{Get, GotFile, JobRef, JobStage};

use super::{Context, absolute, job};
use crate::args;
use crate::failure::{Failure, Result};
use crate::output::Bytes;

/// What stands for standard output.
const STDOUT: &str = "-";
/// The folder in the data directory for what goes to standard output.
const OUTGOING: &str = "outgoing";

pub(super) async fn get(context: &Context, args: &args::Get) -> Result<()> {
    let to_stdout = args.out.as_os_str() == STDOUT;
    if to_stdout && context.output.json {
        return Err(Failure::usage("Standard output can't have both the file and JSON.")
            .todo("Leave --json out, or give a folder."));
    }
    let mut client = context.client().await?;
    let to = if to_stdout { outgoing(context)? } else { absolute(&args.out)? };
    let path = to.clone().into_os_string().into_string();
    let path = path.map_err(|_| Failure::usage("The folder's path is no UTF-8."))?;
    let JobRef { job } =
        client.call("files.get", &Get { link: args.link.clone(), to: path }).await?;
    let done = job::follow(context.output, &mut client, job).await?;
    let JobStage::Got { files, renamed } = &done else {
        return Err(Failure::new("internal", "Getting ended without files."));
    };
    if to_stdout {
        return copy_out(files);
    }
    let output = context.output;
    output.object(&done);
    for name in renamed {
        output.note(format_args!("renamed: {name}"));
    }
    for file in files {
        output.line(format_args!("{}  {}", file.path, Bytes(file.size)));
    }
    output
        .next(context.suggest("apps"), "where it came from; while you stay, you give it to others");
    Ok(())
}

/// A folder of our own, always the same one: so that a get that was cut off goes on.
fn outgoing(context: &Context) -> Result<PathBuf> {
    let dir = context.data_dir.join(OUTGOING);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&dir).map_err(|error| {
        Failure::new("storage", "There is no place for the file.").why(format!("{error}."))
    })?;
    Ok(dir)
}

fn copy_out(files: &[GotFile]) -> Result<()> {
    let [file] = files else {
        return Err(Failure::new("invalid_params", "Only one file can go to standard output.")
            .why(format!("{} were shared.", files.len()))
            .todo("Get them into a folder: kith get LINK -o DIR."));
    };
    let path = Path::new(&file.path);
    if path.is_dir() {
        return Err(Failure::new("invalid_params", "A folder can't go to standard output.")
            .todo("Get it into a folder: kith get LINK -o DIR."));
    }
    let failed = |error: std::io::Error| {
        Failure::new("storage", "The file could not be written out.").why(format!("{error}."))
    };
    let mut file = File::open(path).map_err(failed)?;
    std::io::copy(&mut file, &mut std::io::stdout().lock()).map_err(failed)?;
    drop(file);
    std::fs::remove_file(path).map_err(failed)
}
