//! Keys in a file, in the format of the SDKs' `~/.aws/credentials`.
//!
//! Somebody else rotates them: the file is read again every few seconds, and at once when AWS rejects what it said last. Read strictly,
//! since a setting in it that is not applied, such as a role to assume, would make Palisade somebody else than was meant. The format is
//! that of <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>. No message repeats a value.

use std::path::{Path, PathBuf};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};

use super::problem::Problem;
use crate::{config::build::read_text, secret::Secret};

/// The only profile that is read.
const PROFILE: &str = "default";
/// A file of keys is a few hundred bytes.
const MAX_BYTES: usize = 64 << 10;
/// Longest key id, secret or token.
const MAX_VALUE: usize = 16 << 10;
/// What says who to be in another way than by a key. It is not done here.
const OTHER_WAYS: [&str; 7] =
    ["credential_process", "credential_source", "mfa_serial", "role_arn", "source_profile", "sso_session", "web_identity_token_file"];

/// The file of `credentials.source.file`.
#[derive(Debug)]
pub(super) struct KeysFile {
    path: PathBuf,
}

/// What the profile says.
#[derive(Debug, Default)]
struct Keys {
    access_key_id: Option<Secret>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
}

impl KeysFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// What the file says now.
    ///
    /// # Errors
    /// [`Problem::File`]
    pub(super) fn read(&self) -> Result<Credentials, Problem> {
        let at = |wrong: String| Problem::File(format!("{}: {wrong}", self.path.display()));
        let text = Secret::new(read_text(&self.path, MAX_BYTES).map_err(|wrong| at(format!("it {wrong}")))?);
        parse(text.expose()).map_err(at)
    }
}

impl ProvideCredentials for KeysFile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let file = Self::new(&self.path);
        future::ProvideCredentials::new(async move {
            let read = tokio::task::spawn_blocking(move || file.read()).await.map_err(CredentialsError::unhandled)?;
            read.map_err(CredentialsError::invalid_configuration)
        })
    }
}

fn parse(text: &str) -> Result<Credentials, String> {
    let mut keys = Keys::default();
    let (mut profile, mut found) = (None, false);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end())) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split_once(']').ok_or_else(|| format!("line {number}: the name of a profile has no ]"))?.0.trim();
            if name == PROFILE && std::mem::replace(&mut found, true) {
                return Err(format!("line {number}: [{PROFILE}] is here twice; remove one"));
            }
            profile = Some(name == PROFILE);
            continue;
        }
        match profile {
            None => return Err(format!("line {number}: there is no profile above it; begin the file with [{PROFILE}]")),
            Some(false) => {}
            Some(true) => keys.take(line).map_err(|wrong| format!("line {number}: {wrong}"))?,
        }
    }
    if !found {
        return Err(format!("it has no profile [{PROFILE}], which is the one that is read; name it so"));
    }
    keys.into_credentials()
}

impl Keys {
    fn take(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with([' ', '\t']) {
            return Err("it begins with a space; write each setting at the start of a line".to_owned());
        }
        let (key, value) = line.split_once('=').ok_or("it is no setting; write key = value")?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let slot = match key.as_str() {
            "aws_access_key_id" => &mut self.access_key_id,
            "aws_secret_access_key" => &mut self.secret_access_key,
            "aws_session_token" => &mut self.session_token,
            key if OTHER_WAYS.contains(&key) => return Err(format!("{key} is not applied here; give keys, or another credentials.source")),
            // The format lets tools leave notes and settings of theirs here, such as a region.
            _ => return Ok(()),
        };
        if value.is_empty() || value.len() > MAX_VALUE || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{key} is empty, too long, or has a space in it; give it as AWS does"));
        }
        match slot.replace(Secret::new(value.to_owned())) {
            None => Ok(()),
            Some(_) => Err(format!("{key} is here twice; remove one")),
        }
    }

    fn into_credentials(self) -> Result<Credentials, String> {
        let missing = |key: &str| format!("[{PROFILE}] has no {key}; add it");
        let id = self.access_key_id.ok_or_else(|| missing("aws_access_key_id"))?;
        let secret = self.secret_access_key.ok_or_else(|| missing("aws_secret_access_key"))?;
        let token = self.session_token.map(|token| token.expose().to_owned());
        Ok(Credentials::new(id.expose(), secret.expose(), token, None, "palisade"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_profile_s_keys_are_read_as_sdks_do() {
        let text = "# ours\n[other]\naws_access_key_id = AKIAOTHER\nrole_arn = x\n\n[default]\r\nregion = eu-west-1\r\n\
                    AWS_ACCESS_KEY_ID=AKIAONE\naws_secret_access_key = a/b+c=\n; no more\naws_session_token = T==  \n[last]\nnonsense\n";
        let keys = parse(text).unwrap();
        assert_eq!((keys.access_key_id(), keys.secret_access_key(), keys.session_token()), ("AKIAONE", "a/b+c=", Some("T==")));
        let plain = parse("[default]\naws_access_key_id = AKIAONE\naws_secret_access_key = s\n").unwrap();
        assert_eq!((plain.session_token(), plain.expiry()), (None, None));
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_line_and_without_a_value() {
        let good = "[default]\naws_access_key_id = AKIAHUNTER\naws_secret_access_key = hunter2\n";
        for (text, said) in [
            ("", "no profile [default]"),
            ("[other]\naws_access_key_id = AKIAHUNTER\n", "no profile [default]"),
            ("aws_access_key_id = AKIAHUNTER\n", "line 1: there is no profile above it"),
            ("[default\n", "line 1: the name of a profile has no ]"),
            ("[default]\naws_secret_access_key = hunter2\n", "no aws_access_key_id"),
            ("[default]\naws_access_key_id = AKIAHUNTER\n", "no aws_secret_access_key"),
            ("[default]\naws_access_key_id =\n", "line 2: aws_access_key_id is empty"),
            ("[default]\naws_access_key_id = AKIAHUNTER # note\n", "line 2: aws_access_key_id is empty, too long, or has a space"),
            ("[default]\n aws_access_key_id = AKIAHUNTER\n", "line 2: it begins with a space"),
            ("[default]\nhunter2\n", "line 2: it is no setting"),
            (&format!("{good}aws_access_key_id = AKIAHUNTER\n"), "line 4: aws_access_key_id is here twice"),
            (&format!("{good}[default]\n"), "line 4: [default] is here twice"),
            (&format!("{good}role_arn = arn:hunter2\n"), "line 4: role_arn is not applied here"),
            (&format!("{good}credential_process = hunter2\n"), "line 4: credential_process is not applied here"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.contains(said), "{text:?}: {wrong}");
            assert!(!wrong.contains("hunter2") && !wrong.contains("HUNTER"), "{wrong}");
        }
    }
}
