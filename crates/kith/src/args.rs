//! What can be typed, and its help: examples first, one screen.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

/// The environment's name of `--data-dir`.
pub(crate) const DATA_DIR: &str = "KITH_DATA_DIR";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

/// Examples stand where one looks first; a blank line ends them.
const TEMPLATE: &str =
    "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}\n";

/// Join peer-to-peer apps as easily as opening a web page.
#[derive(Parser, Debug)]
#[command(
    name = "kith",
    version,
    styles = STYLES,
    help_template = TEMPLATE,
    max_term_width = 100,
    subcommand_help_heading = "Commands",
    disable_help_subcommand = true,
    before_help = "\
Examples:
  kith                     start kith, or open the dashboard of the running one
  kith open kith://…       open an app from a link that somebody sent you
  kith invite Chat         make a link that lets a friend into your chat
  kith share holiday.mp4   make a link by which a friend gets a file or folder
  kith demo                try it: three people on this machine, Chat open for each
"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Where kith keeps everything, else KITH_DATA_DIR, else the system's place for data
    #[arg(
        long,
        value_name = "DIR",
        env = DATA_DIR,
        global = true,
        hide_env = true,
        display_order = 900
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// One JSON object per line on stdout, all else on stderr
    #[arg(long, global = true, display_order = 901)]
    pub(crate) json: bool,
}

#[derive(Subcommand, Debug)]
#[command(subcommand_value_name = "COMMAND")]
pub(crate) enum Command {
    /// Run the node in the foreground
    Up(Up),
    /// Stop the running node
    Stop,
    /// Show who you are, who is reached and how, your apps, and what it costs
    Status,
    /// Sign an app and make a link to it
    Publish(Publish),
    /// Open an app from a link or a file
    Open(Open),
    /// Make a link that lets its holder into a space
    Invite(Invite),
    /// Make a link by which others get files and folders of yours
    Share(Share),
    /// Get what somebody shared
    Get(Get),
    /// Leave a space and delete what is held of it here
    Leave(Leave),
    /// List, update or remove the installed apps; their spaces, and what they use
    Apps(Apps),
    /// List, export or import the keys that sign your apps
    Key(Key),
    /// List the people whom this node reaches, or tries to
    Peers(Peers),
    /// Three people on this machine, an app open for each: no network needed
    Demo(Demo),
}

#[derive(Args, Clone, Debug, Default)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith up                                  run until Ctrl-C
  kith up --offline                        this machine and its LAN only
  kith up --no-open --json                 for programs: one line once it is ready
", after_help = "\
What is set here can also stand in DIR/config.toml (http, offline, open, peers, and lan, bind, log)
or in the environment (KITH_HTTP, KITH_OFFLINE, KITH_OPEN, KITH_PEERS, KITH_LAN, KITH_BIND,
KITH_LOG). Flags win over the environment, and that over the file.")]
pub(crate) struct Up {
    /// Where pages are served: a loopback address [default: 127.0.0.1:4848]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Keep to this machine and its LAN
    #[arg(long)]
    pub(crate) offline: bool,
    /// Start no browser
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Reach this node, too, by what `kith status` shows as its address; may be given several times
    #[arg(long = "peer", value_name = "ADDR")]
    pub(crate) peers: Vec<String>,
    /// Stop when standard input ends, so that a parent process takes this one with it.
    #[arg(long, hide = true)]
    pub(crate) until_stdin_ends: bool,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith publish ./my-app            a folder with index.html and manifest.toml
  kith publish game.xdc --key me   a webxdc file, signed with the key called “me”
")]
pub(crate) struct Publish {
    /// A folder, or an .xdc file
    #[arg(value_name = "DIR|FILE.xdc")]
    pub(crate) path: PathBuf,
    /// The key to sign with, made if new [default: the app's own name]
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith open kith://…             join the space that the link leads to
  kith open game.xdc             install a file, and open it
  kith open kith://… --yes       grant what it asks, ask nothing
")]
pub(crate) struct Open {
    /// A kith:// link, or an .xdc file
    #[arg(value_name = "LINK|FILE.xdc")]
    pub(crate) target: String,
    /// In a new space of your own, whatever the link says
    #[arg(long)]
    pub(crate) new_space: bool,
    /// Grant what the app asks for
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Start no browser; print the page's URL, which works once
    #[arg(long)]
    pub(crate) no_open: bool,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith invite Chat          into the chat that you used last, or a new one
  kith invite \"Book club\"   into the space of that name
")]
pub(crate) struct Invite {
    /// The name or id of a space, or of an app
    #[arg(value_name = "APP-OR-SPACE")]
    pub(crate) target: String,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith share holiday.mp4 photos/    files and folders, as they are
  kith share --copy report.pdf      a copy: the file may be changed and moved
  tar c . | kith share - --name src.tar
", after_help = "\
Whoever has the link can get them as long as kith runs here, and from everybody who has got them
before. Files are read from where they are: one that was changed is given to nobody. What is smaller
than 256 KiB and in a folder is copied in any case. To stop, leave the space: `kith leave`.")]
pub(crate) struct Share {
    /// Files and folders; - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Keep copies, so that the files may be changed and moved
    #[arg(long)]
    pub(crate) copy: bool,
    /// What to call what comes from standard input
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith get kith://…               into this folder
  kith get kith://… -o Downloads  into another one
  kith get kith://… -o - | tar x  one file to standard output, once all of it is here
", after_help = "\
Nothing is overwritten: where a name is taken, the next free one is used. One that was cut off goes
on where it stopped, by the same command. What was got is given to others from where it is, until
it is changed or moved, or the space is left.")]
pub(crate) struct Get {
    /// A link of `kith share`, or of the app Drop
    #[arg(value_name = "LINK")]
    pub(crate) link: String,
    /// The folder to write to; - for standard output
    #[arg(long = "out", short, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith leave \"Book club\"    asks first
")]
pub(crate) struct Leave {
    /// The space's name or id
    #[arg(value_name = "SPACE")]
    pub(crate) space: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith apps                 what is installed, what it uses, and what is newer
  kith apps update Board    install the newer version; says first what changes
  kith apps remove Board    with its spaces; says first what is lost
")]
pub(crate) struct Apps {
    #[command(subcommand)]
    pub(crate) action: Option<AppsAction>,
}

#[derive(Subcommand, Debug)]
#[command(subcommand_value_name = "COMMAND")]
pub(crate) enum AppsAction {
    /// Install the newer version of an app that others have brought
    Update(OneApp),
    /// Leave all spaces of an app and delete it; its publishing key stays
    Remove(OneApp),
}

#[derive(Args, Debug)]
pub(crate) struct OneApp {
    /// The app's name or id
    #[arg(value_name = "APP")]
    pub(crate) app: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith key                            the keys that you have
  kith key export my-app -o key.txt   keep a copy: a lost key is a dead app
  kith key import my-app key.txt      publish the app from here
")]
pub(crate) struct Key {
    #[command(subcommand)]
    pub(crate) action: Option<KeyAction>,
}

#[derive(Subcommand, Debug)]
#[command(subcommand_value_name = "COMMAND")]
pub(crate) enum KeyAction {
    /// Print a key's secret, or write it to a file that only you can read
    Export {
        /// The key's name, or the app's id
        #[arg(value_name = "KEY")]
        key: String,
        /// A new file
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take a key in, as exported
    Import {
        /// What to call it here
        #[arg(value_name = "NAME")]
        name: String,
        /// The file with the secret [default: standard input]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith peers                who is connected, and how; who is tried, and why it fails
  kith peers block 3f2a…    end connections with someone, and accept none any more
")]
pub(crate) struct Peers {
    #[command(subcommand)]
    pub(crate) action: Option<PeersAction>,
}

#[derive(Subcommand, Debug)]
#[command(subcommand_value_name = "COMMAND")]
pub(crate) enum PeersAction {
    /// End someone's connections and accept none any more
    Block {
        /// Their node's id, or its first digits
        peer: String,
    },
    /// Take a block back
    Unblock {
        /// Their node's id, or its first digits
        peer: String,
    },
}

#[derive(Args, Debug)]
#[command(help_template = TEMPLATE, before_help = "\
Examples:
  kith demo              opens three pages of one chat; Ctrl-C removes everything again
  kith demo --no-open    prints their URLs
")]
pub(crate) struct Demo {
    /// Start no browser
    #[arg(long)]
    pub(crate) no_open: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// What `kith … --help` shows, for the program and every command.
    #[test]
    fn help_texts() {
        let mut all = String::new();
        write_help(Cli::command().term_width(100), "kith", &mut all);
        insta::assert_snapshot!(all);
    }

    #[test]
    fn help_fits_a_screen() {
        let help = Cli::command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 40, "{help}");
        let longest = help.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{longest:?}\n{help}");
    }

    fn write_help(mut command: clap::Command, path: &str, all: &mut String) {
        command.build();
        all.push_str(&format!("$ {path} --help\n{}\n", command.render_help()));
        for sub in command.get_subcommands() {
            write_help(sub.clone(), &format!("{path} {}", sub.get_name()), all);
        }
    }
}
