//! `palisade audit`: proof that an audit log is whole, and keys for its signatures.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;

use super::{FAILED, MISUSED};
use crate::{
    audit::{
        AuditKey, PublicKey,
        verify::{Terms, Verifier},
    },
    secret::Secret,
};

/// Longest key or checkpoint, in bytes.
const MAX_SMALL: u64 = 64 << 10;
/// Problems that are printed. The first is what matters.
const MOST_SAID: usize = 50;

/// Arguments of `palisade audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that nothing of an audit log was changed, removed or cut off.
    ///
    /// Exits 0 when that is so, 1 with the first line that is wrong and why when it is not, 2 when something cannot be read.
    Verify(VerifyArgs),
    /// Make a key for telemetry.audit.checkpoint.key, or print the public half of one.
    Key(KeyArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// A public key, PEM, that checkpoints may be signed with. Give each that was in use.
    #[arg(long = "key", value_name = "PUB", required_unless_present = "believe_keys_of_the_log")]
    keys: Vec<PathBuf>,
    /// Take the keys that the log itself names. Whoever could write the log could name any: this proves nothing against them.
    #[arg(long)]
    believe_keys_of_the_log: bool,
    /// A checkpoint that was exported (GET /audit/head): the log has to reach that far. May be given more than once.
    #[arg(long = "head", value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// The files are a collector's: lines of several processes in between, and lines that are no records.
    #[arg(long)]
    merged: bool,
    /// Chains have to begin with their first record, and end signed: for archives, of which nothing was removed.
    #[arg(long)]
    whole: bool,
    /// The files of the log, in any order; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct KeyArgs {
    /// Write a new Ed25519 key to this file, which must not be there yet, and print its public half.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the public half of this key.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

/// Verifies, or makes a key.
pub fn run(args: Args) -> ExitCode {
    let done = match args.command {
        Command::Verify(args) => verify(&args, &mut io::stdout().lock()),
        Command::Key(args) => key(&args, &mut io::stdout().lock()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|wrong| {
        eprintln!("palisade audit: {wrong}");
        MISUSED.into()
    })
}

fn verify(args: &VerifyArgs, out: &mut dyn Write) -> Result<ExitCode, String> {
    let public = |path: &PathBuf| PublicKey::from_pem(&small(path)?).map_err(|wrong| format!("{} {wrong}", path.display()));
    let keys = args.keys.iter().map(public).collect::<Result<_, _>>()?;
    let terms = Terms { keys, believe_keys_of_the_log: args.believe_keys_of_the_log, merged: args.merged, whole: args.whole };
    let mut verifier = Verifier::new(terms);
    for path in &args.heads {
        verifier.head(&path.display().to_string(), small(path)?.as_bytes());
    }
    for path in &args.files {
        let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        if path == Path::new("-") {
            verifier.read("-", io::stdin().lock()).map_err(unreadable)?;
        } else {
            let file = File::open(path).map_err(unreadable)?;
            verifier.read(&path.display().to_string(), BufReader::with_capacity(256 << 10, file)).map_err(unreadable)?;
        }
    }
    let report = verifier.finish();
    // A reader that has gone away (`| head`) changes nothing of what was found.
    let _ = write!(out, "{report}");
    for problem in report.problems.iter().take(MOST_SAID) {
        eprintln!("{problem}");
    }
    if report.problems.len() > MOST_SAID {
        eprintln!("and {} more", report.problems.len() - MOST_SAID);
    }
    if !report.is_good() {
        return Ok(FAILED.into());
    }
    if args.believe_keys_of_the_log {
        let _ = writeln!(out, "note: signatures were verified with the keys that the log itself names");
    }
    let _ = writeln!(out, "nothing was changed, removed or cut off");
    Ok(ExitCode::SUCCESS)
}

fn key(args: &KeyArgs, out: &mut dyn Write) -> Result<(), String> {
    let key = match (&args.out, &args.public) {
        (Some(path), _) => {
            let (key, pem) = AuditKey::generate().map_err(|error| error.to_string())?;
            let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = written.and_then(|mut file| file.write_all(pem.expose().as_bytes()).and_then(|()| file.sync_all()));
            written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
            key
        }
        (None, Some(path)) => AuditKey::from_pem(&Secret::new(small(path)?)).map_err(|wrong| format!("{} {wrong}", path.display()))?,
        (None, None) => return Err("give --out or --public".to_owned()),
    };
    write!(out, "{}", key.public().to_pem()).map_err(|error| error.to_string())
}

fn small(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_SMALL).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
