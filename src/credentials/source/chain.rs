//! The SDK's default chain, link by link, so that it is known which source answers.
//!
//! The attack: an application that shares Palisade's network namespace asks the very source that Palisade asks, the instance's metadata, the
//! task's or pod's credentials endpoint, or reads the token that a web-hook put into every container, and is then whoever Palisade is: it
//! assumes any tenant's role, past Palisade. Such a source is refused where an application is beside, unless the configuration accepts it.
//! Where the environment names one it is not even asked; instance metadata, which nothing names, is, and what it gives is dropped.
//!
//! Order and links are those of the SDKs ("Standardized credential providers",
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>).

use aws_config::{
    ecs::EcsCredentialsProvider, environment::EnvironmentVariableCredentialsProvider, imds::credentials::ImdsCredentialsProvider,
    profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig, web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::provider::{ProvideCredentials, Result as Provided, SharedCredentialsProvider, error::CredentialsError, future};

use super::problem::Problem;

const CONTAINER: &str = "the container credentials endpoint of its task or pod (ECS task role, EKS Pod Identity)";
const INJECTED: &str = "the web identity token of the environment, which EKS's web-hook puts into every container of a pod";
const INSTANCE: &str = "the instance's metadata";

/// One source of the chain.
#[derive(Debug)]
pub(super) struct Link {
    name: &'static str,
    provider: SharedCredentialsProvider,
    /// What it is, where the application can ask it as well.
    shared: Option<&'static str>,
    /// Whether the environment says that it is there.
    is_named: bool,
}

/// The default chain.
#[derive(Debug)]
pub(super) struct Chain {
    links: Vec<Link>,
    may_be_shared: bool,
}

impl Chain {
    /// The SDK's chain, where `env` answers for the environment that its providers read.
    pub(super) fn of_sdk(settings: &ProviderConfig, may_be_shared: bool, env: impl Fn(&str) -> bool) -> Self {
        let mut profile = ProfileFileCredentialsProvider::builder().configure(settings);
        if !may_be_shared {
            // What a profile may name as the source of the credentials that it assumes a role with.
            profile =
                profile.with_custom_provider("EcsContainer", Trap(CONTAINER)).with_custom_provider("Ec2InstanceMetadata", Trap(INSTANCE));
        }
        let is_container = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let links = vec![
            Link::own("environment", EnvironmentVariableCredentialsProvider::new()),
            Link::own("profile", profile.build()),
            Link::shared(
                "web identity",
                WebIdentityTokenCredentialsProvider::builder().configure(settings).build(),
                INJECTED,
                env("AWS_WEB_IDENTITY_TOKEN_FILE"),
            ),
            Link::shared("container", EcsCredentialsProvider::builder().configure(settings).build(), CONTAINER, is_container),
            Link::shared("instance", ImdsCredentialsProvider::builder().configure(settings).build(), INSTANCE, false),
        ];
        Self { links, may_be_shared }
    }

    async fn supply(&self) -> Provided {
        for link in &self.links {
            let refused = link.shared.filter(|_| !self.may_be_shared);
            let supplied = match refused {
                Some(what) if link.is_named => return Err(CredentialsError::invalid_configuration(Problem::Shared(what))),
                _ => link.provider.provide_credentials().await,
            };
            match (supplied, refused) {
                (Err(CredentialsError::CredentialsNotLoaded(_)), _) => {}
                (Err(error), _) => return Err(error),
                (Ok(_), Some(what)) => return Err(CredentialsError::invalid_configuration(Problem::Shared(what))),
                (Ok(credentials), None) => {
                    tracing::debug!(source = link.name, "the default chain found base credentials");
                    return Ok(credentials);
                }
            }
        }
        Err(CredentialsError::not_loaded(Problem::Nothing))
    }
}

impl Link {
    fn own(name: &'static str, provider: impl ProvideCredentials + 'static) -> Self {
        Self { name, provider: SharedCredentialsProvider::new(provider), shared: None, is_named: false }
    }

    fn shared(name: &'static str, provider: impl ProvideCredentials + 'static, what: &'static str, is_named: bool) -> Self {
        Self { shared: Some(what), is_named, ..Self::own(name, provider) }
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.supply())
    }
}

/// Stands where a profile would lead to a source that must not be used.
#[derive(Debug)]
struct Trap(&'static str);

impl ProvideCredentials for Trap {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration(Problem::Shared(self.0))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_credential_types::Credentials;

    use super::*;
    use crate::credentials::source::behind;

    /// What a scripted source answers.
    #[derive(Debug, Clone, Copy)]
    enum Answer {
        Keys,
        Nothing,
        Broken,
    }

    #[derive(Debug)]
    struct Source(Answer, Arc<AtomicUsize>);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.1.fetch_add(1, Ordering::SeqCst);
            future::ProvideCredentials::ready(match self.0 {
                Answer::Keys => Ok(Credentials::new("AKIA", "secret", None, None, "test")),
                Answer::Nothing => Err(CredentialsError::not_loaded("nothing")),
                Answer::Broken => Err(CredentialsError::provider_error("broken")),
            })
        }
    }

    /// What a chain of an own source and one that is shared gives, and how often the shared one was asked.
    async fn supply(own: Answer, shared: Answer, is_named: bool, may_be_shared: bool) -> (Result<(), Option<Problem>>, usize) {
        let asked = Arc::<AtomicUsize>::default();
        let links = vec![
            Link::own("environment", Source(own, Arc::default())),
            Link::shared("container", Source(shared, asked.clone()), CONTAINER, is_named),
        ];
        let supplied = Chain { links, may_be_shared }.supply().await;
        (supplied.map(drop).map_err(|error| behind::<Problem>(&error).cloned()), asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_source_that_the_application_can_ask_is_refused_where_it_is_the_one_that_answers() {
        use Answer::{Broken, Keys, Nothing};
        let shared = || Err(Some(Problem::Shared(CONTAINER)));
        for (own, other, is_named, may_be_shared, expected) in [
            (Keys, Keys, true, false, (Ok(()), 0)),
            (Nothing, Keys, true, false, (shared(), 0)),
            (Nothing, Broken, true, false, (shared(), 0)),
            (Nothing, Keys, false, false, (shared(), 1)),
            (Nothing, Nothing, false, false, (Err(Some(Problem::Nothing)), 1)),
            (Nothing, Broken, false, false, (Err(None), 1)),
            (Nothing, Keys, true, true, (Ok(()), 1)),
            (Nothing, Nothing, true, true, (Err(Some(Problem::Nothing)), 1)),
            // One that is there and fails is not passed over: what comes behind it could be somebody else.
            (Broken, Keys, false, true, (Err(None), 0)),
        ] {
            assert_eq!(supply(own, other, is_named, may_be_shared).await, expected, "{own:?} {other:?} {is_named} {may_be_shared}");
        }
    }

    #[tokio::test]
    async fn a_profile_does_not_lead_to_a_shared_source_either() {
        #[expect(deprecated, reason = "the SDK has no other way to give a profile's provider a text")]
        let files = aws_config::profile::profile_file::ProfileFiles::builder()
            .with_contents(
                aws_config::profile::profile_file::ProfileFileKind::Config,
                "[default]\nrole_arn = arn:aws:iam::111122223333:role/base\ncredential_source = Ec2InstanceMetadata\nregion = eu-west-1\n",
            )
            .build();
        let profile = ProfileFileCredentialsProvider::builder()
            .configure(&ProviderConfig::without_region().with_http_client(crate::credentials::http_client(None).unwrap()))
            .with_custom_provider("Ec2InstanceMetadata", Trap(INSTANCE))
            .profile_files(files)
            .build();
        let error = profile.provide_credentials().await.unwrap_err();
        assert_eq!(behind::<Problem>(&error), Some(&Problem::Shared(INSTANCE)), "{error:?}");
    }
}
