//! Keys of Palisade's own identity, or of the operator's, for what `palisade doctor` asks AWS. Never for a tenant.

use aws_config::{profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::config::Region;

use super::{answer, http};
use crate::{config::StsConfig, secret::Secret, signing::own::OwnKey};

/// The keys that `provider` has now.
///
/// # Errors
/// It has none; without a secret.
pub(crate) async fn own_key(provider: &impl ProvideCredentials) -> Result<OwnKey, String> {
    let credentials = provider.provide_credentials().await.map_err(|error| answer::causes(&error))?;
    Ok(OwnKey {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: Secret::new(credentials.secret_access_key().to_owned()),
        session_token: credentials.session_token().map(|token| Secret::new(token.to_owned())),
    })
}

/// The keys of a profile of the AWS configuration files, as the AWS CLI finds them.
///
/// # Errors
/// There is no such profile, or it has no keys; without a secret.
pub(crate) async fn profile_key(profile: &str, sts: &StsConfig) -> Result<OwnKey, String> {
    let http = http::client(sts.ca.as_deref()).map_err(|error| error.to_string())?;
    let settings = ProviderConfig::without_region().with_http_client(http).with_region(Some(Region::new(sts.region.clone())));
    let provider = ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(profile).build();
    own_key(&provider).await
}
