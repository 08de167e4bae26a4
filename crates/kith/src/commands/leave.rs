//! `kith leave`.

use kith_api::{Empty, SpaceRef, Spaces};

use super::Context;
use crate::args;
use crate::failure::{Failure, Result};
use crate::names::{self, Named};

pub(super) async fn leave(context: &Context, args: &args::Leave) -> Result<()> {
    let mut client = context.client().await?;
    let spaces: Spaces = client.call("spaces.list", &Empty {}).await?;
    let named: Vec<Named<'_>> =
        spaces.spaces.iter().map(|space| Named { id: &space.space, name: &space.name }).collect();
    let id = names::find(&args.space, "space", &named, "kith apps")?;
    let name = named.iter().find(|space| space.id == id).map_or(id, |space| space.name);
    let question = format!("Leave “{name}” and delete what is held of it here?");
    // A program that names a space has decided already.
    if !args.yes && !context.output.ask(&question, true) {
        return Err(Failure::new("cancelled", format!("You stay in “{name}”.")));
    }
    let Empty {} = client.call("spaces.leave", &SpaceRef { space: id.to_owned() }).await?;
    context.output.object(&serde_json::json!({ "left": id }));
    context.output.line(format_args!("You left “{name}”. A link lets you in again."));
    Ok(())
}
