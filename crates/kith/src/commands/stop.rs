//! `kith stop`.

use kith_api::Empty;

use super::Context;
use crate::failure::Result;
use crate::output::during;

pub(super) async fn stop(context: &Context) -> Result<()> {
    let mut client = context.client().await?;
    let Empty {} = client.call("node.stop", &Empty {}).await?;
    during(context.output, "Stopping", client.ended()).await;
    context.output.object(&serde_json::json!({ "stopped": true }));
    context.output.line("kith has stopped.");
    context.output.next(context.suggest("up"), "starts it again");
    Ok(())
}
