//! `palisade schema`: the JSON Schema of the configuration file, for editors and for reviews in CI.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::config;

/// Prints the schema.
pub fn run() -> ExitCode {
    // A reader that has gone away (`| head`) is no failure of ours.
    let _ = print(&mut io::stdout().lock());
    ExitCode::SUCCESS
}

fn print(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:#}", config::schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_json() {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), config::schema());
    }
}
