//! `palisade guard report`: from what would have been denied to rules that allow it.
//!
//! What it prints is YAML: the table, and whatever could not be made a rule of, are comments in it. Nothing that was in the log is left out without a word. A
//! rule is proposed as it stands only where it lets every tenant at nothing but its own; what would open something to all of them is a comment with a warning.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{print::print, propose::propose, read::Log};
use crate::{
    cli::{FAILED, MISUSED},
    config::{Config, DirectoryConfig, judged_as, kind_of},
};

/// Arguments of `palisade guard report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration that the log was written with: says whether ids are known not to begin one another, and which services have no rules.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Access logs; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What a configuration adds.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether no tenant's id begins another one.
    pub(super) ids_are_prefix_free: bool,
    /// Services that are guarded and have no rules: the key of each, and where its rules would stand below `guard`.
    pub(super) unruled: Vec<(String, String)>,
}

/// Reads, and prints what it proposes. Exit code 1 where a log cannot be read or has nothing of an access log in it, 2 for a wrong configuration.
pub fn run(args: &Args) -> ExitCode {
    let known = match args.config.as_deref().map(known).transpose() {
        Ok(known) => known.unwrap_or_default(),
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{error}");
            return MISUSED.into();
        }
    };
    let mut log = Log::default();
    for path in &args.files {
        let read = if path == Path::new("-") {
            log.read(io::stdin().lock())
        } else {
            File::open(path).and_then(|file| log.read(BufReader::new(file)))
        };
        if let Err(error) = read {
            let _ = writeln!(io::stderr().lock(), "{}: {error}", path.display());
            return FAILED.into();
        }
    }
    if log.lines == 0 {
        // Nothing against enforcing would be what a log of another kind says, and a report from it as well.
        let Log { malformed, others, .. } = log;
        let names = args.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            io::stderr().lock(),
            "{names}: no line of an access log, {malformed} lines that are no JSON and {others} of another kind; give what palisade run writes to standard output, \
             with telemetry.logs.format: json"
        );
        return FAILED.into();
    }
    let text = printed(&log, &known);
    // Where nobody reads, there is nobody to tell.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// The whole report.
pub(super) fn printed(log: &Log, known: &Known) -> String {
    print(log, &propose(log, known), known)
}

pub(super) fn known(path: &Path) -> Result<Known, String> {
    let (config, _) = Config::load_without_files(path).map_err(|errors| errors.to_string())?;
    let ids_are_prefix_free = matches!(config.directory, DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_));
    let services = config.egress.iter().flat_map(|egress| &egress.services).filter(|(_, service)| !service.unguarded);
    let has_rules = |section: &str| config.guard.rules.get(section).is_some_and(|rules| !rules.is_empty());
    let sections = services.map(|(key, service)| (key.clone(), judged_as(kind_of(key, service)).to_owned()));
    let unruled = sections.filter(|(_, section)| !has_rules(section)).collect();
    Ok(Known { ids_are_prefix_free, unruled })
}
