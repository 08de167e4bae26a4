//! Showing a page: in the browser where there is a person, else by its URL.

use std::path::Path;

use kith_api::{PageLink, PageUrl};

use super::Context;
use crate::control::Client;
use crate::failure::Result;
use crate::{output, system};

/// Opens a page of the running node in the browser. Where none can be started, it prints the URL.
pub(super) async fn show(context: &Context, client: &mut Client, page: PageUrl) -> Result<()> {
    let link: PageLink = client.call("page.url", &page).await?;
    in_browser(context.output, &link);
    Ok(())
}

/// Starts a browser, or says how to open the page by hand.
pub(super) fn in_browser(output: output::Output, link: &PageLink) {
    if let Err(error) = system::open_in_browser(Path::new(&link.file)) {
        tracing::debug!(%error, "no browser could be started");
        output.line(format_args!(
            "No browser could be started. Open this URL within 30 s; it works once:\n  {}",
            link.url
        ));
    }
}
