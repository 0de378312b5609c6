//! `palisade schema`: the JSON Schema of the configuration file, for editors and for reviews in CI; with `--cedar` the schema of its policies.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::config;

/// Arguments of `palisade schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print what policies of guard.cedar can speak of, in Cedar's own syntax, in place of the configuration's JSON Schema.
    #[cfg(feature = "cedar")]
    #[arg(long)]
    cedar: bool,
}

/// Prints the schema.
pub fn run(args: &Args) -> ExitCode {
    // A reader that has gone away (`| head`) is no failure of ours.
    let _ = print(args, &mut io::stdout().lock());
    ExitCode::SUCCESS
}

#[cfg_attr(not(feature = "cedar"), expect(unused_variables, reason = "there is one schema"))]
fn print(args: &Args, out: &mut dyn Write) -> io::Result<()> {
    #[cfg(feature = "cedar")]
    if args.cedar {
        return out.write_all(crate::guard::cedar::schema().as_bytes());
    }
    writeln!(out, "{:#}", config::schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_json() {
        let args = Args {
            #[cfg(feature = "cedar")]
            cedar: false,
        };
        let mut out = Vec::new();
        print(&args, &mut out).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), config::schema());
    }
}
