//! One module per command. [`run`] is where the program begins.

mod apps;
mod demo;
mod get;
mod invite;
mod job;
mod key;
mod leave;
mod open;
mod page;
mod peers;
mod publish;
mod share;
mod status;
mod stop;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, DATA_DIR, Global, Up};
use crate::control::Client;
use crate::failure::Result;
use crate::output::Output;
use crate::system;

/// What every command gets.
struct Context {
    /// Absolute, whether or not it exists yet.
    data_dir: PathBuf,
    output: Output,
}

impl Context {
    fn new(global: &Global) -> Result<Self> {
        let data_dir = match &global.data_dir {
            Some(dir) => absolute(dir)?,
            None => system::default_data_dir()?,
        };
        Ok(Self { data_dir, output: Output::new(global.json) })
    }

    /// The running node, or the failure that says that there is none.
    async fn client(&self) -> Result<Client> {
        Client::connect(&self.data_dir).await
    }

    /// A command line that names this data directory too, where it was named by the flag: the usual
    /// one and the environment's hold for the next command as well.
    fn suggest(&self, command: &str) -> String {
        let of_environment = std::env::var_os(DATA_DIR).and_then(|dir| absolute(dir.as_ref()).ok());
        let next = of_environment.map_or_else(system::default_data_dir, Ok);
        match next {
            Ok(next) if next == self.data_dir => format!("kith {command}"),
            Ok(_) | Err(_) => {
                format!("kith --data-dir {} {command}", quoted(&self.data_dir.to_string_lossy()))
            }
        }
    }
}

/// A word of a command line that a shell takes as one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-._/~:\\@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Reads the arguments, does what they say, and tells how it went.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    match Context::new(&cli.global).and_then(|context| in_runtime(&context, cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}

fn in_runtime(context: &Context, command: Option<Command>) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
            crate::failure::Failure::new("internal", "kith can't start.")
                .why(format!("The system gives it no threads: {error}."))
        })?;
    let done = runtime.block_on(dispatch(context, command));
    // A thread may be waiting for standard input, which nobody will end.
    runtime.shutdown_background();
    done
}

async fn dispatch(context: &Context, command: Option<Command>) -> Result<()> {
    match command {
        None => up::up_or_open(context).await,
        Some(Command::Up(args)) => up::up(context, &args).await,
        Some(Command::Stop) => stop::stop(context).await,
        Some(Command::Status) => status::status(context).await,
        Some(Command::Publish(args)) => publish::publish(context, args).await,
        Some(Command::Open(args)) => open::open(context, &args).await,
        Some(Command::Invite(args)) => invite::invite(context, &args).await,
        Some(Command::Leave(args)) => leave::leave(context, &args).await,
        Some(Command::Apps(args)) => apps::apps(context, args.action).await,
        Some(Command::Key(args)) => key::key(context, args.action).await,
        Some(Command::Share(args)) => share::share(context, &args).await,
        Some(Command::Get(args)) => get::get(context, &args).await,
        Some(Command::Peers(args)) => peers::peers(context, args.action).await,
        Some(Command::Demo(args)) => demo::demo(context, &args).await,
    }
}

/// The path as the node must be told it: from the root.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        crate::failure::Failure::usage(format!("“{}” names no file.", path.display()))
            .why(format!("{error}."))
    })
}

/// The flags of a plain `kith`.
fn no_flags() -> Up {
    Up::default()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_suggested_command_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("/home/ada/.local/share/kith"), "/home/ada/.local/share/kith");
        assert_eq!(quoted("/tmp/two words"), "'/tmp/two words'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
