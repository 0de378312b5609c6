//! What one configuration makes of the process, in the order in which it depends on each other.
//!
//! The first is made at the start, and another one with every reload. What is in a [`Generation`] and holds something that must outlive
//! it (what has been spent, what is in progress, what is held for tenants) is taken over from the one before; what its part of the
//! configuration leaves as it was is taken over as it stands.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Lasting, StartError, deferred,
    front::Served,
    identity_of,
    keys::{self, Keys},
    policies::ServedPolicies,
    ready::{State, Vendor},
    sweep::Sweep,
    tasks::Background,
    warm::WarmUp,
    withdrawn,
};
use crate::{
    admin::{Admin, Probes},
    config::{Change, Config, CredentialsConfig, CredentialsSource, EgressConfig, Part, SharedConfig},
    credentials::{BaseIdentity, BaseIdentityError, Broker, Budget, Readers, SdkSts},
    directory::{Changes, Directory, Tables, users::UserDirectory},
    egress::{self, Egress, Errands, Gate},
    guard::Guard,
    identity::{IdentityHeaders, Passports, Verifier, Workloads},
    ingress::{self, ContextSigner, Cors, ForwardHeaders, Ingress, Matcher, Origins, PublicRoom},
    limits::Limiter,
    skew::Skew,
    telemetry::Recorder,
    upstream::{AppClient, AwsClient},
    workloads::NamedWorkloads,
};

/// Everything that a configuration makes.
pub(super) struct Generation {
    pub(super) config: SharedConfig,
    pub(super) served: Arc<Served>,
    pub(super) state: Arc<State>,
    pub(super) background: Background,
    pub(super) parts: Parts,
}

/// What the next generation may take over.
pub(super) struct Parts {
    /// That of [`Lasting`], by what the base identity of this configuration hears of STS.
    pub(super) skew: Skew,
    pub(super) base: Option<BaseIdentity>,
    pub(super) directory: Arc<Directory>,
    pub(super) users: Option<UserDirectory>,
    policies: ServedPolicies,
    pub(super) keys: Vec<Keys>,
    pub(super) verifier: Arc<Verifier>,
    /// How often `identity.workloads` has changed.
    mappings: u64,
    pub(super) passports: Option<Passports>,
    pub(super) vendor: Option<Vendor>,
    context: Option<Arc<ContextSigner>>,
    pub(super) application: Option<AppClient>,
    inbound: Option<(Arc<Limiter>, Arc<PublicRoom>)>,
    outbound: Option<(AwsClient, Arc<Guard>)>,
    warm_up: WarmUp,
    pub(super) sweep: Arc<Sweep>,
}

/// The generation before, and in what the configuration differs from its.
pub(super) type Before<'b> = Option<(&'b Generation, &'b Change)>;

impl Generation {
    /// Wires everything. Nothing is in force yet, and nothing of `before` is touched.
    pub(super) async fn build(config: Config, lasting: &Lasting, before: Before<'_>) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let Lasting { recorder, .. } = lasting;
        let (clock, metrics) = (&recorder.clock, &recorder.metrics);
        let old = before.map(|(old, _)| &old.parts);
        // The old part, where nothing that it is made of has changed.
        let kept = |parts: &[Part]| before.filter(|(_, change)| !change.concerns_any(parts)).map(|(old, _)| &old.parts);
        let names = IdentityHeaders { tenant: config.identity.tenant_header.clone(), token: config.identity.token_header.clone() };

        let skew = &match (before, kept(&[Part::Base])) {
            (None, _) => lasting.skew.clone(),
            (Some(_), Some(old)) => old.skew.clone(),
            (Some(_), None) => lasting.skew.on_trial(),
        };
        // AWS says when its credentials end, so their time is AWS's.
        let base = match kept(&[Part::Base]) {
            Some(old) => old.base.clone(),
            None => base_identity(&config, skew).await?,
        };
        // Templates of other parts can ask for ids none of which is the beginning of another.
        let of_same_kind = before.is_some_and(|(old, _)| config.directory.is_of_kind(&old.config.directory));
        let (directory, users) = match kept(&[Part::Tenants, Part::Users, Part::Base]).filter(|_| of_same_kind) {
            Some(old) => (old.directory.clone(), old.users.clone()),
            None => {
                let changes = old.map(|old| old.directory.announced_in()).unwrap_or_default();
                directories(&config, base.as_ref(), recorder, skew, changes)?
            }
        };
        let policies = match kept(&[Part::Policies]) {
            Some(old) => old.policies.clone(),
            None => ServedPolicies::open(&config.guard).map_err(StartError::Policies)?,
        };
        let keys = keys::load(&config, old.map_or(&[], |old| &old.keys), clock, metrics)?;
        let has_changed = |setting: &str| setting.starts_with("identity.workload");
        let mappings = before.map_or(0, |(old, change)| old.parts.mappings + u64::from(change.settings().any(has_changed)));
        let has_directory = |old: &&Parts| Arc::ptr_eq(&old.directory, &directory);
        // What it remembers was checked by the rules of then.
        let verifier = match kept(&[Part::Identity, Part::Plans, Part::Egress]).filter(has_directory) {
            Some(old) => old.verifier.clone(),
            None => {
                let issuers = config.identity.issuers.iter().cloned().zip(keys.iter().map(|keys| keys.jwks.clone())).collect();
                let verifier = Verifier::new(issuers, &config.identity.verification, clock.clone(), metrics.clone());
                let keeps_tokens = config.credentials.as_ref().is_some_and(|credentials| credentials.plans.use_callers_tokens());
                let verifier = verifier.with_users(users.as_ref().map(UserDirectory::users)).under_mappings(mappings);
                let verifier = verifier.keeping_tokens(keeps_tokens);
                Arc::new(match old {
                    Some(old) => verifier.after(&old.verifier),
                    None => verifier,
                })
            }
        };
        let workloads = Workloads::new(config.identity.workloads.clone(), clock.clone());
        // Passports are only worth minting where somebody takes them.
        let takes_passports = config.egress.as_ref().is_some_and(|egress| egress.proofs.passport);
        let passport = config.identity.passport.as_ref().filter(|_| takes_passports);
        let same = kept(&[Part::Passports, Part::Ingress]).and_then(|old| old.passports.clone());
        let passports = passport.map(|passport| {
            // Those that are out are their requests', which go on.
            let other = || match (old.and_then(|old| old.passports.as_ref()), &config.ingress) {
                (Some(live), Some(ingress)) => {
                    live.under(passport.clone(), withdrawn::still_given_by(&ingress.access.endpoints, &passport.terms))
                }
                _ => Passports::new(passport.clone(), clock.clone(), metrics.clone()),
            };
            same.unwrap_or_else(other)
        });

        let vendor = match (&config.credentials, base.clone()) {
            (Some(credentials), Some(base)) => Some(vendor(credentials, base, &config, (recorder, skew), before)?),
            _ => None,
        };

        let signed = config.ingress.as_ref().and_then(|settings| settings.context.as_ref());
        let context = match kept(&[Part::Context]) {
            Some(old) => old.context.clone(),
            None => signed.map(ContextSigner::new).transpose().map_err(|_| StartError::Randomness)?.map(Arc::new),
        };
        let key_set = context.as_ref().map(|context| context.key_set());
        let application = match kept(&[Part::Application]) {
            Some(old) => old.application.clone(),
            None => config.ingress.as_ref().map(|settings| AppClient::new(&settings.routing, metrics, clock)).transpose()?,
        };
        let inbound = config.ingress.as_ref().map(|settings| {
            let limiter = old.and_then(|old| old.inbound.as_ref()).map(|(limiter, _)| limiter.under(&config.limits));
            let limiter = limiter.unwrap_or_else(|| Limiter::new(&config.limits, clock.clone()));
            let room = kept(&[Part::PublicRoom]).and_then(|old| old.inbound.as_ref()).map(|(_, room)| room.clone());
            (Arc::new(limiter), room.unwrap_or_else(|| Arc::new(PublicRoom::new(settings.access.public_concurrent))))
        });
        let ingress = match (&config.ingress, &application, &inbound) {
            (Some(settings), Some(application), Some((limiter, public))) => {
                let access = &settings.access;
                let pipeline = ingress::Pipeline {
                    matcher: Matcher { endpoints: access.endpoints.clone(), tenant_path: access.tenant_path.clone() },
                    gate: ingress::Gate {
                        verifier: verifier.clone(),
                        directory: directory.clone(),
                        names: names.clone(),
                        places: access.places.clone(),
                        workloads: workloads.clone(),
                    },
                    limiter: limiter.clone(),
                    public: public.clone(),
                    cors: Cors::new(access.cors.as_ref()).map_err(|_| StartError::Cors)?,
                    passports: passports.clone(),
                    headers: ForwardHeaders {
                        names: names.clone(),
                        mapped: settings.headers.clone(),
                        origins: Origins::new(settings.origin.clone()),
                    },
                    context: context.clone(),
                    upstream: application.clone(),
                    recorder: recorder.clone(),
                    clock: clock.clone(),
                };
                Some(Ingress::new(pipeline))
            }
            _ => None,
        };
        let mut outbound = None;
        let egress = match (&config.egress, &vendor) {
            (Some(settings), Some(vendor)) => {
                let (sealer, redeemer) = deferred::sides(settings, &lasting.maker, recorder)?;
                let gate = Gate {
                    verifier: verifier.clone(),
                    passports: passports.clone(),
                    redeemer,
                    proofs: settings.proofs,
                    names,
                    vending: lasting.vending.clone(),
                    clock: clock.clone(),
                    directory: directory.clone(),
                    workloads,
                    named: vendor.workloads.clone(),
                };
                let (upstream, guard) = match kept(&[Part::Egress, Part::Guard, Part::Policies, Part::Plans, Part::Base]) {
                    Some(Parts { outbound: Some(outbound), .. }) => outbound.clone(),
                    _ => outbound_of(settings, &config, &policies, vendor, recorder, kept(&[Part::Egress]))?,
                };
                outbound = Some((upstream.clone(), guard.clone()));
                let pipeline = egress::Pipeline {
                    gate,
                    limiter: vendor.limiter.clone(),
                    guard,
                    broker: vendor.broker.clone(),
                    upstream,
                    region: settings.region.clone(),
                    regions: settings.regions.clone(),
                    presign: settings.presign,
                    sealer,
                    recorder: recorder.clone(),
                    clock: clock.clone(),
                    skew: skew.clone(),
                    hoarding: lasting.hoarding.clone(),
                };
                Some(Egress::new(pipeline))
            }
            _ => None,
        };

        let broker = vendor.as_ref().map(|vendor| vendor.broker.clone());
        let named = vendor.as_ref().map(|vendor| vendor.workloads.clone());
        let sweep = Sweep::new(directory.clone(), verifier.clone(), passports.clone(), broker.clone(), &config, metrics.clone());
        let sweep = Arc::new(match old {
            Some(old) => sweep.after(&old.sweep),
            None => sweep,
        });
        let warm = config.credentials.as_ref().and_then(|credentials| credentials.warm_up.clone());
        let warm_up = match (kept(&[Part::WarmUp]), old) {
            (Some(old), _) => old.warm_up.clone(),
            (None, Some(_)) => WarmUp::beside_requests(warm),
            (None, None) => WarmUp::new(warm),
        };
        let process = lasting.process.clone();
        let state = State::new(config.clone(), verifier.clone(), vendor.clone(), metrics.clone(), clock.clone(), process);
        let state = state.with_application(application.clone()).with_directory(directory.clone()).with_warm_up(warm_up.clone());
        // Whether it works is known of the identity that was tried, and of no other.
        let state = match before.filter(|(_, change)| !change.concerns(Part::Base)) {
            Some((old, _)) => state.with_base_identity_of(&old.state),
            None => state,
        };
        let state = Arc::new(state);
        let background = Background {
            keys: keys.iter().map(|keys| keys.jwks.clone()).collect(),
            directory: directory.clone(),
            users: users.clone(),
            sweep: sweep.clone(),
            base: base.clone(),
            named,
            broker,
            warm_up: warm_up.clone(),
            passports: passports.clone(),
            policies: policies.clone(),
            application: application.clone(),
            state: state.clone(),
        };
        let served = Arc::new(served(&config, ingress, egress, &state, key_set));
        let parts = Parts {
            skew: skew.clone(),
            base,
            directory,
            users,
            policies,
            keys,
            verifier,
            mappings,
            passports,
            vendor,
            context,
            application,
            inbound,
            outbound,
            warm_up,
            sweep,
        };
        Ok(Self { config, served, state, background, parts })
    }

    /// Takes over what `before` has at hand of tables that both read: nobody of whom it knows has to wait for a first read, or to be refused
    /// because that fails.
    pub(super) fn take_over(&self, before: &Self, change: &Change) {
        if self.has_directory_of(before) {
            return;
        }
        let same_base = !change.concerns(Part::Base);
        self.parts.directory.take_over(&before.parts.directory, same_base);
        if let (Some(users), Some(before)) = (&self.parts.users, &before.parts.users) {
            users.take_over(before, same_base);
        }
    }

    /// Whether tenants and users are those of `before`.
    pub(super) fn has_directory_of(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.parts.directory, &before.parts.directory)
    }
}

fn served(config: &Config, ingress: Option<Ingress>, egress: Option<Egress>, state: &Arc<State>, key_set: Option<Bytes>) -> Served {
    let (admin, probes) = (Admin::new(state.clone(), &config.admin), Probes::new(state.clone(), key_set));
    Served { ingress, egress, admin, probes }
}

/// Who Palisade is, where it asks AWS for anything. A source that is not there, or that must not be used, is known before anything is served; one
/// that only does not answer yet is waited for by readiness.
async fn base_identity(config: &Config, skew: &Skew) -> Result<Option<BaseIdentity>, StartError> {
    let Some((source, sts)) = identity_of(config) else { return Ok(None) };
    let base = BaseIdentity::open(source, sts, skew)?;
    if matches!(source, CredentialsSource::Nobody) {
        return Ok(Some(base));
    }
    match base.check().await {
        Err(error @ BaseIdentityError::SetUp(..)) => return Err(StartError::BaseIdentity(error)),
        Err(error @ (BaseIdentityError::Sts(..) | BaseIdentityError::Unavailable(..))) => {
            tracing::warn!(%error, "there are no base credentials yet")
        }
        Ok(()) => {}
    }
    Ok(Some(base))
}

/// Tenants and users, whose changes are announced in one place.
fn directories(
    config: &Config,
    base: Option<&BaseIdentity>,
    recorder: &Recorder,
    skew: &Skew,
    changes: Changes,
) -> Result<(Arc<Directory>, Option<UserDirectory>), StartError> {
    let (clock, metrics) = (&recorder.clock, &recorder.metrics);
    let readers = base.zip(identity_of(config)).map(|(base, (_, sts))| Readers::new(base, sts, skew));
    let open = |users| UserDirectory::open(users, readers, &changes, clock, metrics);
    let users = config.users.as_ref().map(open).transpose()?;
    let tables = readers.map(|readers| Tables { readers, changes: &changes, clock, metrics });
    let directory = Directory::open(&config.directory, tables)?;
    let directory = directory.with_users(users.as_ref().map(UserDirectory::users), changes, config.on_suspend);
    Ok((Arc::new(directory), users))
}

/// What obtains credentials. The budget, the sessions and what is used of limits go on.
fn vendor(
    credentials: &CredentialsConfig,
    base: BaseIdentity,
    config: &Config,
    (recorder, skew): (&Recorder, &Skew),
    before: Before<'_>,
) -> Result<Vendor, StartError> {
    let old = before.and_then(|(old, change)| Some((old.parts.vendor.as_ref()?, change)));
    let budget = old.map_or_else(|| Budget::new(credentials, skew.clock(), recorder.metrics.clone()), |(old, _)| old.broker.budget());
    let same = old.filter(|(_, change)| !change.concerns(Part::Base));
    let sts = match same {
        Some((old, _)) => old.sts.clone(),
        None => Arc::new(SdkSts::new(&credentials.sts, base, skew, budget.clone())?),
    };
    let broker = match same {
        Some((old, change)) if !change.concerns_any(&[Part::Plans, Part::Egress]) => old.broker.clone(),
        Some((old, _)) => Arc::new(old.broker.succeeded(credentials, sts.clone())),
        // What another identity, or another STS, gave is not handed out any more.
        None => Arc::new(Broker::new(credentials, sts.clone(), budget, skew.clock(), recorder.metrics.clone())),
    };
    let (region, default) = (&credentials.sts.region, config.limits.default);
    let workloads = match old {
        Some((old, change)) if !change.concerns_any(&[Part::Workloads, Part::Limits, Part::Base]) => old.workloads.clone(),
        Some((old, _)) => old.workloads.reopen(&config.workloads, region, default)?,
        None => NamedWorkloads::open(&config.workloads, region, default, &recorder.clock)?,
    };
    let limiter = match old {
        Some((old, _)) => old.limiter.under(&config.limits),
        None => Limiter::new(&config.limits, recorder.clock.clone()),
    };
    Ok(Vendor { sts, broker, limiter: Arc::new(limiter), skew: skew.clone(), workloads })
}

/// The way to AWS, that of `old` where it is the same, and the guard before it.
fn outbound_of(
    settings: &EgressConfig,
    config: &Config,
    policies: &ServedPolicies,
    vendor: &Vendor,
    recorder: &Recorder,
    old: Option<&Parts>,
) -> Result<(AwsClient, Arc<Guard>), StartError> {
    let clock = &recorder.clock;
    let upstream = match old.and_then(|old| old.outbound.as_ref()) {
        Some((upstream, _)) => upstream.clone(),
        None => AwsClient::new(settings)?,
    };
    let errands = Errands { broker: vendor.broker.clone(), upstream: upstream.clone(), skew: vendor.skew.clone() };
    let guard = Guard::new(settings, &config.guard).asking(Arc::new(errands), clock.clone());
    Ok((upstream, Arc::new(policies.over(guard, clock.clone()))))
}
