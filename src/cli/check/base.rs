//! Who Palisade is when it calls AWS, and who else may be.

use super::listeners::plain;
use crate::config::{Config, CredentialsSource};

/// What makes its identity worth more than it should be.
pub(super) fn warnings(warn: &mut dyn FnMut(String), config: &Config) {
    let of_base = || config.base.as_ref().map(|base| (&base.source, &base.sts));
    let of_tenants = config.credentials.as_ref().map(|credentials| (&credentials.source, &credentials.sts));
    let Some((source, sts)) = of_tenants.or_else(of_base) else { return };
    plain(warn, "credentials.sts.endpoint", sts.endpoint.as_ref());
    if matches!(source, CredentialsSource::Static { .. }) {
        warn(
            "credentials.source is a fixed key: it stays valid wherever it gets to; prefer web_identity, or a file that is rotated"
                .to_owned(),
        );
    }
    shared(warn, config, source);
}

/// What decides, or may decide, that the application can be who Palisade is.
fn shared(warn: &mut dyn FnMut(String), config: &Config, source: &CredentialsSource) {
    let accepted = config.effective.pointer("/credentials/shared_with_application").is_some();
    match source {
        _ if accepted => warn(
            "credentials.shared_with_application is accepted: outside the security claim, since an application that asks the same source can assume \
             whatever Palisade can"
                .to_owned(),
        ),
        CredentialsSource::DefaultChain { may_be_shared: false } => warn(
            "credentials.source is default_chain: a start is refused where it leads to what the application can ask as well (instance metadata, task \
             role, Pod Identity, an injected web identity)"
                .to_owned(),
        ),
        CredentialsSource::DefaultChain { .. }
        | CredentialsSource::File(_)
        | CredentialsSource::Nobody
        | CredentialsSource::Static { .. }
        | CredentialsSource::WebIdentity { .. } => {}
    }
}
