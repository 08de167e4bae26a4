//! `kith publish`.

use kith_api::{Publish, Published};

use super::{Context, absolute};
use crate::args;
use crate::failure::{Failure, Result};
use crate::output::during;

pub(super) async fn publish(context: &Context, args: args::Publish) -> Result<()> {
    let path = absolute(&args.path)?;
    if !path.exists() {
        return Err(Failure::new("not_found", format!("There is no “{}”.", path.display()))
            .todo("Name a folder with an index.html, or an .xdc file."));
    }
    let Ok(path) = path.into_os_string().into_string() else {
        return Err(Failure::usage("The path is no UTF-8.").todo("Rename it."));
    };
    let mut client = context.client().await?;
    let publish = Publish { path, key: args.key };
    let published: Published =
        during(context.output, "Publishing", client.call("apps.publish", &publish)).await?;
    context.output.object(&published);
    context
        .output
        .line(format_args!("Published version {}.\n\n  {}", published.version, published.link));
    context.output.next(context.suggest("open LINK"), "opens it here");
    Ok(())
}
