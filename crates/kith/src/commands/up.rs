//! `kith up`, and `kith` alone.

use kith_api::{Caller, Empty, PageUrl, Problem, Service, Status};
use tokio::io::AsyncReadExt;

use super::{Context, no_flags, page};
use crate::args::Up;
use crate::config::Config;
use crate::control::Client;
use crate::failure::Result;
use crate::node::Running;
use crate::output::{Output, Tone, during};
use crate::system::End;

/// Opens the dashboard of the running node, or starts one.
pub(super) async fn up_or_open(context: &Context) -> Result<()> {
    let Some(mut client) = Client::connect_if_running(&context.data_dir).await? else {
        return up(context, &no_flags()).await;
    };
    let status: Status = client.call("node.status", &Empty {}).await?;
    context.output.object(&status);
    context.output.line(format_args!("kith is running: {}", status.http));
    if context.output.person {
        page::show(context, &mut client, PageUrl { space: None, path: String::new() }).await?;
    }
    context.output.next(context.suggest("status"), "what it does");
    Ok(())
}

/// Runs the node until it is asked to end.
pub(super) async fn up(context: &Context, args: &Up) -> Result<()> {
    let config = Config::load(&context.data_dir, args)?;
    start_log(context.output, &config);
    let mut end = End::listen();
    let running = Running::start(&context.data_dir, &config).await?;
    let announced = announce(context, &config, &*running.service).await;
    if announced.is_ok() {
        tokio::select! {
            () = end.asked() => {}
            () = running.stopped() => {}
            () = stdin_ended(), if args.until_stdin_ends => {}
        }
    }
    during(context.output, "Stopping", running.close()).await;
    announced
}

/// Says that the node is ready, and opens the dashboard where somebody is there to see it.
async fn announce(context: &Context, config: &Config, service: &dyn Service) -> Result<()> {
    let output = context.output;
    let status = service.node_status(&Caller::Owner, Empty {}).await?;
    output.object(&serde_json::json!({
        "ready": true, "http": status.http, "node_id": status.node_id, "addr": status.addr,
    }));
    output.line(format_args!("{}\n", output.tint(Tone::Good, "kith is running.")));
    for (name, value) in
        [("Dashboard", &status.http), ("Address", &status.addr), ("Data", &status.data_dir)]
    {
        output.line(format_args!("  {name:<10} {value}"));
    }
    if status.offline {
        output.line("  Offline    it keeps to this machine and its LAN");
    }
    for Problem { error: problem, .. } in &status.problems {
        output.line(format_args!("  {:<10} {problem}", output.tint(Tone::Bad, "Problem")));
    }
    output.next(context.suggest("invite Chat"), "a link for a friend. Ctrl-C stops kith.");
    if config.open && output.person {
        let link = service.page_url(&Caller::Owner, PageUrl { space: None, path: String::new() });
        page::in_browser(output, &link.await?);
    }
    Ok(())
}

/// Logs to stderr what the configuration's filter lets through.
fn start_log(output: Output, config: &Config) {
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(&config.log);
    // A second subscriber is refused; there is only this one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output.colour_on_stderr)
        .with_target(false)
        .compact()
        .try_init();
}

async fn stdin_ended() {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    while let Ok(1..) = stdin.read(&mut ignored).await {}
}
